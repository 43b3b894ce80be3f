"""The space of several symbols side by side, some of which are of one alphabet."""

from collections.abc import Sequence

from gymnasium import spaces


class Fields(spaces.MultiDiscrete):
    """A MultiDiscrete that says in which of its fields the same value is the same symbol, and what is none.

    Args:
        sizes: how many values each field has.
        alphabets: the number of each field's alphabet.
        nothing: the value of each field that shows nothing; None if there is no such.
    """

    def __init__(self, sizes: Sequence[int], alphabets: Sequence[int], nothing: Sequence[int | None]):
        super().__init__(list(sizes))
        self.alphabets = tuple(alphabets)
        self.nothing = tuple(nothing)
