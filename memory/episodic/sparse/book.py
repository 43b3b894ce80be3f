"""Which slot of many an event takes: `SlotFacts` for a memory that is too large to be looked through at every step."""

from __future__ import annotations

from heapq import heappop, heappush

import torch
from torch import Tensor

from engram.memory.episodic.slots import NOT_WRITTEN

_SLOT = 2**32 - 1


class SlotBook:
    """The slots of one row: what is free, what is stored twice, and what has the lowest gate.

    Duplicates are found by their hash, and the next slot by heaps: a step costs the logarithm of the number of slots.

    Args:
        slots: N.
        held: [K] numbers of the slots that hold an event, ascending; None for none.
        gates, births, hashes: [K] of those events.
    """

    def __init__(
        self,
        slots: int,
        held: Tensor | None = None,
        gates: Tensor | None = None,
        births: Tensor | None = None,
        hashes: Tensor | None = None,
    ) -> None:
        self.slots = slots
        self.counts: dict[int, int] = {}
        """How many slots hold an event of each hash."""
        self.used = 0
        """All slots from this one on are free."""
        self._birth: list[int] = []
        self._hash: list[int] = []
        self._newest: dict[int, int] = {}
        self._holes: list[int] = []
        self._outdated: list[int] = []  # a heap of `_aged`
        # By gate and birth, some replaced since: what was there at first, the lowest last, and a heap of what came.
        self._first: tuple[list[float], list[int], list[int]] = ([], [], [])
        self._kept: list[tuple[float, int, int]] = []
        if held is not None and len(held):
            assert gates is not None and births is not None and hashes is not None  # noqa: PT018
            self._fill(held, gates, births, hashes)

    def _fill(self, held: Tensor, gates: Tensor, births: Tensor, hashes: Tensor) -> None:
        """Enter events; everything is sorted at once, since a sorted list is a heap."""
        by_age = births.argsort()
        slots, ages = held[by_age].tolist(), births[by_age].tolist()
        kinds, kind, counts = hashes[by_age].unique(return_inverse=True, return_counts=True)
        last = torch.zeros_like(kinds).scatter_reduce(0, kind, torch.arange(len(kind)), "amax", include_self=False)
        outdated = (last[kind] != torch.arange(len(kind))).nonzero().squeeze(1).tolist()
        names = kinds.tolist()
        self.counts = dict(zip(names, counts.tolist(), strict=True))
        self._newest = dict(zip(names, [slots[place] for place in last.tolist()], strict=True))
        self._outdated = [_aged(ages[place], slots[place]) for place in outdated]
        by_gate = by_age[gates[by_age].argsort(stable=True)].flip(0)
        self._first = (gates[by_gate].tolist(), births[by_gate].tolist(), held[by_gate].tolist())
        self.used = int(held[-1]) + 1
        self._birth, self._hash = (
            part.new_zeros(self.used).scatter_(0, held, part).tolist() for part in (births, hashes)
        )
        if self.used > len(held):
            self._holes = sorted(set(range(self.used)) - set(slots))

    @property
    def filled(self) -> int:
        """How many slots hold an event."""
        return self.used - len(self._holes)

    def take(self, gate: float, event_hash: int, birth: int) -> int:
        """Let a new event take the slot that `SlotFacts.take` gives it; return that, or NOT_WRITTEN."""
        if self._holes:
            slot = heappop(self._holes)
        elif self.used < self.slots:
            slot = self.used
            self.used += 1
            self._birth.append(birth)
            self._hash.append(event_hash)
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
            heappush(self._outdated, _aged(self._birth[older], older))
            self.counts[event_hash] += 1
        else:
            self.counts[event_hash] = 1
        self._newest[event_hash] = slot

    def _replaced(self, gate: float, event_hash: int) -> int:
        """Choose among slots that are all filled."""
        newest = self._newest.get(event_hash)
        if newest is not None and (not self._outdated or _aged(self._birth[newest], newest) < self._outdated[0]):
            return newest  # the new event makes it outdated, and it is the oldest such
        if self._outdated:
            return heappop(self._outdated) & _SLOT
        lowest, at_first = self._lowest()
        if gate <= lowest[0]:
            return NOT_WRITTEN
        if at_first:
            for part in self._first:
                part.pop()
        else:
            heappop(self._kept)
        return lowest[2]

    def _lowest(self) -> tuple[tuple[float, int, int], bool]:
        """Return the lowest (gate, birth, slot), and whether it was there at first."""
        while self._first[0] and self._birth[self._first[2][-1]] != self._first[1][-1]:  # replaced since
            for part in self._first:
                part.pop()
        while self._kept and self._birth[self._kept[0][2]] != self._kept[0][1]:
            heappop(self._kept)
        if not self._first[0]:
            return self._kept[0], False
        first = (self._first[0][-1], self._first[1][-1], self._first[2][-1])
        return (first, True) if not self._kept or first < self._kept[0] else (self._kept[0], False)

    def _forget(self, slot: int) -> None:
        event_hash = self._hash[slot]
        self.counts[event_hash] -= 1
        if not self.counts[event_hash]:
            del self.counts[event_hash], self._newest[event_hash]


def _aged(birth: int, slot: int) -> int:
    """Return a number in the order of births that tells the slot, too: many tuples would be walked by the collector."""
    return birth << 32 | slot
