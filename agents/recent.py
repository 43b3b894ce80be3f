"""The encodings that one call of `predict` leaves for the next: kept outside of the state, and only while they hold."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from memory import State


class RecentCache:
    """Holds the cache of the last step, handed out once, for the very state it came with and unchanged weights."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop what is held, because weights have changed in a way that their version does not tell."""
        self._held: tuple[object, tuple[int, ...], State | None] | None = None

    def put(self, state: object, cache: State | None, weights: Iterable[nn.Parameter]) -> None:
        """Hold the cache that was returned with `state`."""
        self._held = (state, _version(weights), cache)

    def take(self, state: object, weights: Iterable[nn.Parameter]) -> State | None:
        """Hand over the cache if it is of this state and of these weights, and hold nothing any more."""
        held = self._held
        self.forget()
        if held is None or held[0] is not state or held[1] != _version(weights):
            return None
        return held[2]


def _version(weights: Iterable[nn.Parameter]) -> tuple[int, ...]:
    """What changes when weights are updated in place or replaced."""
    return tuple(number for weight in weights for number in (weight.data_ptr(), weight._version))
