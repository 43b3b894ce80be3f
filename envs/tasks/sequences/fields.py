"""The space of several symbols side by side, some of which are of one alphabet."""

from collections.abc import Sequence

from gymnasium import spaces


class Fields(spaces.MultiDiscrete):
    """A MultiDiscrete that says in which of its fields the same value is the same symbol.

    Args:
        sizes: how many values each field has.
        alphabets: the number of each field's alphabet.
    """

    def __init__(self, sizes: Sequence[int], alphabets: Sequence[int]):
        super().__init__(list(sizes))
        self.alphabets = tuple(alphabets)
