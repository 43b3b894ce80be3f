"""Which slot an event takes while the agent acts: what has to be known of the slots is kept up from step to step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.reach import kinds
from engram.memory.episodic.slots import NOT_WRITTEN


class SlotFacts(NamedTuple):
    """What decides which slot is taken; it follows from the state and the weights, and is changed in place."""

    log_gates: Tensor  # [B, N] importance of the slots' events
    event_hash: Tensor  # [B, N] int64
    birth: Tensor  # [B, N] int64
    filled: Tensor  # [B, N] bool
    duplicates: Tensor  # [B, N] float, how many filled slots hold an equal event, itself included; at least 1
    outdated: Tensor  # [B, N] bool, an equal event is stored in a newer slot

    @staticmethod
    def of(log_gates: Tensor, event_hash: Tensor, birth: Tensor, filled: Tensor) -> SlotFacts:
        """Count duplicates and find what is outdated, in time that grows as N log N."""
        slots = event_hash.shape[1]
        kind = torch.where(filled, kinds(event_hash), slots)  # the empty ones are a kind of their own
        counts = torch.zeros(len(kind), slots + 1, dtype=log_gates.dtype, device=kind.device)
        duplicates = counts.scatter_add(1, kind, filled.to(counts.dtype)).gather(1, kind).clamp(min=1.0)
        newest = birth.new_full((len(kind), slots + 1), -1).scatter_reduce(1, kind, birth, "amax").gather(1, kind)
        return SlotFacts(
            log_gates.clone(), event_hash.clone(), birth.clone(), filled.clone(), duplicates, filled & (birth < newest)
        )

    def start_episodes(self, starts: Tensor) -> None:
        """Empty the slots of rows [B] in which an episode starts."""
        if starts.is_cpu:
            rows = starts.nonzero().squeeze(1)
            if len(rows):
                self.filled[rows] = False
                self.outdated[rows] = False
                self.duplicates[rows] = 1.0
        else:
            starts = starts.unsqueeze(1)
            self.filled.masked_fill_(starts, False)
            self.outdated.masked_fill_(starts, False)
            self.duplicates.masked_fill_(starts, 1.0)

    def take(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Choose the slot that each row's new event [B] takes, and let it take it.

        The first free one; when all are filled the oldest one with a newer duplicate; when there is none the least
        important one (of equals the oldest), if the new event is more important.

        Returns:
            [B] int64 in 0..N-1, or NOT_WRITTEN.
        """
        equal = (self.event_hash == event_hash.unsqueeze(1)) & self.filled
        free = ~self.filled
        slot = free.byte().argmax(1)
        if not free.is_cpu or not bool(free.any(1).all()):
            slot = torch.where(free.any(1), slot, self._replaced(equal, log_gate))
            self._forget(slot, equal)
        self.duplicates.add_(equal)
        self.outdated.logical_or_(equal)
        self._put(slot, log_gate, event_hash, birth, equal)
        return slot

    def _replaced(self, equal: Tensor, log_gate: Tensor) -> Tensor:
        """Choose among slots that are all filled."""
        outdated = self.outdated | equal
        least = self.log_gates.amin(1, keepdim=True)
        outranked = torch.where(log_gate > least.squeeze(1), self._oldest(self.log_gates == least), NOT_WRITTEN)
        return torch.where(outdated.any(1), self._oldest(outdated), outranked)

    def _oldest(self, among: Tensor) -> Tensor:
        return torch.where(among, self.birth, torch.iinfo(self.birth.dtype).max).argmin(1)

    def _forget(self, slot: Tensor, equal: Tensor) -> None:
        """Count what a slot held no more, if it is to be written; `equal` is freed of it and of rows without write."""
        index = slot.clamp(min=0).unsqueeze(1)
        writes = (slot >= 0).unsqueeze(1)
        held = writes & self.filled.gather(1, index)
        same = (self.event_hash == self.event_hash.gather(1, index)) & self.filled & held
        self.duplicates.sub_(same.to(self.duplicates.dtype))
        equal.logical_and_(writes).scatter_(1, index, equal.gather(1, index) & ~held)

    def _put(self, slot: Tensor, log_gate: Tensor, event_hash: Tensor, birth: Tensor, equal: Tensor) -> None:
        index = slot.clamp(min=0).unsqueeze(1)
        written = slot.unsqueeze(1) >= 0
        count = equal.sum(1, dtype=self.duplicates.dtype) + 1
        for facts, new in (
            (self.log_gates, log_gate),
            (self.event_hash, event_hash),
            (self.birth, birth),
            (self.duplicates, count),
        ):
            facts.scatter_(1, index, torch.where(written, new.unsqueeze(1), facts.gather(1, index)))
        self.filled.scatter_(1, index, written | self.filled.gather(1, index))
        self.outdated.scatter_(1, index, self.outdated.gather(1, index) & ~written)
