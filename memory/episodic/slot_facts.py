"""Which slot an event takes while the agent acts: what has to be known of the slots is kept up from step to step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.reach import kinds
from engram.memory.episodic.slots import NOT_WRITTEN

_FREE = torch.iinfo(torch.int64).min
_OUTDATED = _FREE + 1
_NO_EVENT = 0
"""Hash of what an empty slot holds."""


class SlotFacts(NamedTuple):
    """What decides which slot is taken; it follows from the state and the weights, and is changed in place.

    The slot of the lowest rank is taken next: one that is free, then the oldest whose event is stored in a newer slot,
    too, and then that of the lowest gate (of equal ones the oldest).
    """

    log_gates: Tensor  # [B, N] importance of the slots' events
    event_hash: Tensor  # [B, N] int64
    birth: Tensor  # [B, N] int64
    duplicates: Tensor  # [B, N] float, how many slots hold an equal event, itself included; no meaning if it is empty
    rank: Tensor  # [B, N] int64

    @staticmethod
    def of(log_gates: Tensor, event_hash: Tensor, birth: Tensor, filled: Tensor) -> SlotFacts:
        """Rank slots and count duplicates, in time that grows as N log N."""
        slots = event_hash.shape[1]
        kind = torch.where(filled, kinds(event_hash), slots)  # the empty ones are a kind of their own
        counts = log_gates.new_zeros(len(kind), slots + 1)
        duplicates = counts.scatter_add(1, kind, torch.ones_like(log_gates)).gather(1, kind)
        newest = birth.new_full((len(kind), slots + 1), -1).scatter_reduce(1, kind, birth, "amax").gather(1, kind)
        rank = torch.where(birth < newest, _OUTDATED + birth, _rank(_ordered(log_gates), birth))
        return SlotFacts(
            log_gates.clone(),
            torch.where(filled, event_hash, _NO_EVENT),
            birth.clone(),
            duplicates,
            torch.where(filled, rank, _FREE),
        )

    @property
    def filled(self) -> Tensor:
        """Which slots hold an event, [B, N] bool."""
        return self.rank > _FREE

    def start_episodes(self, starts: Tensor) -> None:
        """Empty the slots of rows [B] in which an episode starts."""
        if starts.is_cpu:
            self.rank[starts] = _FREE
            self.event_hash[starts] = _NO_EVENT
        else:  # writes to every row, but does not wait for the GPU
            self.rank.masked_fill_(starts.unsqueeze(1), _FREE)
            self.event_hash.masked_fill_(starts.unsqueeze(1), _NO_EVENT)

    def take(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Let each row's new event [B] take the slot of the lowest rank, if its own is higher.

        Returns:
            [B] int64 in 0..N-1, or NOT_WRITTEN.
        """
        gate = _ordered(log_gate)
        equal = self.event_hash == event_hash.unsqueeze(1)
        torch.where(equal, self.birth + _OUTDATED, self.rank, out=self.rank)
        least, slot = self.rank.min(1)
        written, at = gate > least >> 31, slot.unsqueeze(1)
        replaced = self.event_hash.gather(1, at)
        self.duplicates.sub_((self.event_hash == replaced).to(self.duplicates.dtype))

        new = (log_gate, event_hash, birth, _rank(gate, birth))
        slots = (self.log_gates, self.event_hash, self.birth, self.rank)
        if written.is_cpu and bool(written.all()):
            for facts, fact in zip(slots, new, strict=True):
                facts.scatter_(1, at, fact.unsqueeze(1))
        else:
            for facts, fact in zip(slots, new, strict=True):
                facts.scatter_(1, at, torch.where(written.unsqueeze(1), fact.unsqueeze(1), facts.gather(1, at)))
            slot = torch.where(written, slot, NOT_WRITTEN)
        # Where nothing was written the replaced event is the new one: its number is counted again.
        equal = self.event_hash == self.event_hash.gather(1, at)
        number = equal.sum(1, keepdim=True, dtype=self.duplicates.dtype)
        torch.where(equal, number, self.duplicates, out=self.duplicates)
        return slot


def _ordered(log_gates: Tensor) -> Tensor:
    """Return int64 numbers of 32 bits in the order of some gates, which are compared in single precision."""
    bits = log_gates.float().view(torch.int32).long()
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _rank(gate: Tensor, birth: Tensor) -> Tensor:
    """Rank slots by `_ordered` gates, and equal ones by the step at which their events happened."""
    return gate * 2**31 + birth.clamp(max=2**31 - 1)
