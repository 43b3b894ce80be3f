"""The encodings that one call of `predict` leaves for the next: kept outside of the state, and only while they hold."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import Optimizer

from engram.memory import Cache


class EncodingCache:
    """Holds the cache of the last step, handed out once, for the very state it came with and unchanged weights."""

    def __init__(self) -> None:
        self._held: tuple[object, tuple[int, ...], Cache] | None = None
        self._version: tuple[int, ...] | None = None

    def put(self, state: object, cache: Cache, weights: nn.Module, optimizer: Optimizer) -> None:
        """Hold the cache that was returned with `state`; the weights are those of `take`."""
        self._held = (state, self._version or _version(weights, optimizer), cache)

    def take(self, state: object, weights: nn.Module, optimizer: Optimizer) -> Cache | None:
        """Hand over the cache if it is of this state and of these weights, and hold nothing any more."""
        held, self._held, self._version = self._held, None, None
        if held is None or held[0] is not state:
            return None
        self._version = _version(weights, optimizer)
        return held[2] if held[1] == self._version else None


def _version(weights: nn.Module, optimizer: Optimizer) -> tuple[int, ...]:
    """What changes when weights are updated in place or replaced.

    A fused optimizer changes them without raising their version, but it counts its steps in tensors of its own.
    """
    counters = (state["step"] for state in optimizer.state.values() if isinstance(state.get("step"), Tensor))
    return tuple(number for leaf in (*weights.parameters(), *counters) for number in (leaf.data_ptr(), leaf._version))
