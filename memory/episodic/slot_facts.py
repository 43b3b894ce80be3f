"""Which slot an event takes while the agent acts: what has to be known of the slots is kept up from step to step."""

from __future__ import annotations

from ctypes import c_int64
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.reach import Reach, kinds
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.exporting import at_hand, bits_of
from engram.memory.native.build import addresses, library
from engram.memory.positions import AgeBias

_SOURCE = Path(__file__).with_suffix(".c")
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
        if at_hand(starts):
            rows = starts.nonzero().squeeze(1)  # a mask as an index would take ten times as long
            self.rank.index_fill_(0, rows, _FREE)
            self.event_hash.index_fill_(0, rows, _NO_EVENT)
        else:  # writes to every row, but does not wait for the GPU
            self.rank.masked_fill_(starts.unsqueeze(1), _FREE)
            self.event_hash.masked_fill_(starts.unsqueeze(1), _NO_EVENT)

    def reach(self, step: Tensor, age_bias: AgeBias) -> Reach:
        """Return what can be read at steps of some numbers [B]."""
        age = age_bias.bucket(step.unsqueeze(1) - self.birth).to(torch.uint8)
        return Reach(*(known.unsqueeze(1) for known in (self.filled, age, self.duplicates.log())))

    def take(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Let each row's new event [B] take the slot of the lowest rank, if its own is higher.

        Returns:
            [B] int64 in 0..N-1, or NOT_WRITTEN.
        """
        dtype, new = self.log_gates.dtype, (log_gate, event_hash, birth)
        compiled = _library(dtype, *self, *new) if log_gate.dtype == dtype else None
        if compiled is None:
            return self.take_by_torch(*new)
        slot = torch.empty_like(event_hash)
        compiled.take(*map(c_int64, self.rank.shape), addresses(*self, *new, slot))
        return slot

    def take_along(self, log_gates: Tensor, event_hashes: Tensor, births: Tensor, episode_starts: Tensor) -> Tensor:
        """Let the events of a sequence [T, B] take slots, one step after the other; return these [T, B]."""
        taken = []
        for start, *event in zip(episode_starts, log_gates, event_hashes, births, strict=True):
            self.start_episodes(start)
            taken.append(self.take(*event))
        return torch.stack(taken)

    def take_by_torch(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Do what `take` does by operations in torch: the definition, which the C code is held to."""
        log_gate = log_gate.to(self.log_gates.dtype)  # autocast makes less of it
        gate = _ordered(log_gate)
        equal = self.event_hash == event_hash.unsqueeze(1)
        torch.where(equal, self.birth + _OUTDATED, self.rank, out=self.rank)
        least, slot = self.rank.min(1)
        written, at = gate > least >> 31, slot.unsqueeze(1)
        replaced = self.event_hash.gather(1, at)
        self.duplicates.sub_((self.event_hash == replaced).to(self.duplicates.dtype))

        new = (log_gate, event_hash, birth, _rank(gate, birth))
        slots = (self.log_gates, self.event_hash, self.birth, self.rank)
        if at_hand(written) and bool(written.all()):
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


def put(slot: Tensor, table: Tensor, rows: Tensor) -> None:
    """Write a row of each batch row into its slot, in place.

    Args:
        slot: [B] int64; nothing is written where it is negative.
        table: [B, N, ...].
        rows: [B, ...], of the same dtype.
    """
    shape = (-1, 1, *[1] * (table.dim() - 2))
    at, new = slot, rows.unsqueeze(1)
    if not (at_hand(slot) and int(slot.min()) >= 0):
        at = slot.clamp(min=0)
        held = table.gather(1, at.view(shape).expand(-1, 1, *table.shape[2:]))
        new = torch.where((slot >= 0).view(shape), new, held)
    table.scatter_(1, at.view(shape).expand(-1, 1, *table.shape[2:]), new)


def _library(dtype: torch.dtype, *tensors: Tensor) -> Any:
    """Return the C code for numbers of a type, if all tensors are contiguous in the memory of a CPU."""
    if not all(tensor.is_cpu and tensor.is_contiguous() for tensor in tensors):
        return None
    return library(_SOURCE, dtype)


def _ordered(log_gates: Tensor) -> Tensor:
    """Return int64 numbers of 32 bits in the order of some gates, which are compared in single precision."""
    bits = bits_of(log_gates.float())
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _rank(gate: Tensor, birth: Tensor) -> Tensor:
    """Rank slots by `_ordered` gates, and equal ones by the step at which their events happened."""
    return gate * 2**31 + birth.clamp(max=2**31 - 1)
