"""Which slot of many an event takes: `SlotFacts` for a memory that is too large to be looked through at every step."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from engram.memory.episodic.slots import NOT_WRITTEN


class SlotBook:
    """The slots of one row: what is free, what is stored twice, and what has the lowest gate.

    Duplicates are found by their hash, and the next slot by heaps: a step costs the logarithm of the number of slots.

    Args:
        slots: N.
        held: numbers of the slots that hold an event, ascending.
        gates, births, hashes: of those events.
    """

    def __init__(
        self,
        slots: int,
        held: Sequence[int] = (),
        gates: Sequence[float] = (),
        births: Sequence[int] = (),
        hashes: Sequence[int] = (),
    ) -> None:
        self.slots = slots
        self._birth, self._hash = dict(zip(held, births, strict=True)), dict(zip(held, hashes, strict=True))
        self.counts: dict[int, int] = {}
        """How many slots hold an event of each hash."""
        self._newest: dict[int, int] = {}
        self._outdated: list[tuple[int, int]] = []
        self._kept = list(zip(gates, births, held, strict=True))
        heapify(self._kept)
        for birth, slot, event_hash in sorted(zip(births, held, hashes, strict=True)):
            self._add(slot, event_hash, birth)
        self.used = held[-1] + 1 if held else 0
        """All slots from this one on are free."""
        self._holes = sorted(set(range(self.used)) - set(held)) if self.used > len(held) else []

    def take(self, gate: float, event_hash: int, birth: int) -> int:
        """Let a new event take the slot that `SlotFacts.take` gives it; return that, or NOT_WRITTEN."""
        if self._holes:
            slot = heappop(self._holes)
        elif self.used < self.slots:
            slot = self.used
            self.used += 1
        else:
            slot = self._replaced(gate, event_hash)
            if slot == NOT_WRITTEN:
                return slot
            self._forget(slot)
        self._birth[slot], self._hash[slot] = birth, event_hash
        self._add(slot, event_hash, birth)
        heappush(self._kept, (gate, birth, slot))
        return slot

    def _add(self, slot: int, event_hash: int, birth: int) -> None:
        """Count an event that is newer than all of its like."""
        if event_hash in self.counts:
            older = self._newest[event_hash]
            heappush(self._outdated, (self._birth[older], older))
            self.counts[event_hash] += 1
        else:
            self.counts[event_hash] = 1
        self._newest[event_hash] = slot

    def _replaced(self, gate: float, event_hash: int) -> int:
        """Choose among slots that are all filled."""
        newest = self._newest.get(event_hash)
        if newest is not None and (not self._outdated or self._birth[newest] < self._outdated[0][0]):
            return newest  # the new event makes it outdated, and it is the oldest such
        if self._outdated:
            return heappop(self._outdated)[1]
        while self._birth[self._kept[0][2]] != self._kept[0][1]:  # replaced since
            heappop(self._kept)
        return heappop(self._kept)[2] if gate > self._kept[0][0] else NOT_WRITTEN

    def _forget(self, slot: int) -> None:
        event_hash = self._hash[slot]
        self.counts[event_hash] -= 1
        if not self.counts[event_hash]:
            del self.counts[event_hash], self._newest[event_hash]
