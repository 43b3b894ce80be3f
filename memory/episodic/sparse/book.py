"""Which slot of many an event takes: `SlotFacts` for a memory that is too large to be looked through at every step."""

from __future__ import annotations

import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.episodic.slots import slots_in_use
from engram.memory.native.build import addresses, library

_SOURCE = Path(__file__).with_suffix(".c")
_BLOCK = 1024
"""Slots of which the lowest rank is kept; as in the C code."""


class Known(NamedTuple):
    """What is known of the events in some slots [B, K]."""

    alive: Tensor  # bool, whether there is one
    event_hash: Tensor  # int64; 0 where there is none
    age: Tensor  # int64, steps since it happened; 0 where there is none
    crowd: Tensor  # how many slots hold an equal one; 1 where there is none


class SlotBook(NamedTuple):
    """What decides which slot is taken, with what finds it fast, changed in place: in C, for slots on a CPU.

    It does what `SlotFacts` does, which is the definition. Equal events are found by a table of hashes, the slot of
    the lowest rank by those of blocks of slots: a step costs the same for any number of slots, or nearly so.
    """

    log_gates: Tensor  # [B, N], as in `SlotFacts`
    event_hash: Tensor
    birth: Tensor
    rank: Tensor
    least: Tensor  # [B, blocks] int64, the lowest rank in each block
    newest: Tensor  # [B, H] int32, 1 + the slot of the newest event of each hash, or 0; H is a power of two
    counts: Tensor  # [B, N] int32, how many slots hold an equal event, where it is the newest of them
    ends: Tensor  # [B] int64, all slots from this one on are free
    occupied: Tensor  # [B] int64, how many slots hold an event

    @staticmethod
    def of(log_gates: Tensor, event_hash: Tensor, birth: Tensor, filled: Tensor) -> SlotBook:
        """Make it, [B, N] each, in time that grows as N; there must be the C code."""
        rows, slots = filled.shape
        book = SlotBook(
            log_gates=_copy(log_gates),
            event_hash=_copy(event_hash),
            birth=_copy(birth),
            rank=torch.empty(rows, slots, dtype=torch.int64),
            least=torch.empty(rows, -(-slots // _BLOCK), dtype=torch.int64),
            newest=torch.empty(rows, 1 << (2 * slots - 1).bit_length(), dtype=torch.int32),
            counts=torch.empty(rows, slots, dtype=torch.int32),
            ends=torch.empty(rows, dtype=torch.int64),
            occupied=torch.empty(rows, dtype=torch.int64),
        )
        book._call("enter", filled.contiguous())
        return book

    def start_episodes(self, starts: Tensor) -> None:
        """Empty the slots of rows [B] in which an episode starts."""
        self._call("start", starts.contiguous())

    def take(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Let each row's new event [B] take the slot that `SlotFacts.take` gives it; return that, or NOT_WRITTEN."""
        slot = torch.empty_like(event_hash)
        self._call("take", log_gate.contiguous(), event_hash.contiguous(), birth.contiguous(), slot)
        return slot

    def used(self) -> int:
        """Return a number of slots from which on all are free in all rows."""
        return int(self.ends.max())

    def crowds(self, rows: Tensor, slots: Tensor) -> Tensor:
        """Return how many slots hold events equal to those in slots [K] of rows [K]; 1 for an empty one."""
        counts = self.log_gates.new_empty(slots.shape)
        self._call("crowds", rows.contiguous(), slots.contiguous(), counts, sizes=(len(slots),))
        return counts

    def look_up(self, slots: Tensor, step: Tensor) -> Known:
        """Return what is known of slots [B, K] at steps of some numbers [B]; of slots above N that they are empty."""
        hashes, age = torch.empty(2, *slots.shape, dtype=torch.int64).unbind(0)
        known = Known(slots < 0, hashes, age, self.log_gates.new_empty(slots.shape))
        self._call("look_up", slots.contiguous(), step.contiguous(), *known, sizes=(slots.shape[1],))
        return known

    def renew(self, recent: Tensor, step: Tensor, age_bias: Tensor, penalty: Tensor, bias: Tensor) -> None:
        """Set the biases of events that happened lately, see `SparseCache.update_bias`.

        Args:
            recent: [B, K] slots taken at most K steps ago, or negative.
            step: [B].
            age_bias: [A, R] by bucket; those of ages up to K are for one age each.
            penalty: [R].
            bias: [B, R, N or more] float32, written in place.
        """
        at = recent.contiguous(), step.contiguous(), age_bias.contiguous(), penalty.contiguous(), bias
        self._call("renew", *at, sizes=(recent.shape[1], *bias.shape[1:]))

    def _call(self, name: str, *given: Tensor, sizes: tuple[int, ...] = ()) -> None:
        compiled: Any = library(_SOURCE, self.log_gates.dtype)
        shape = struct.pack("4q", *self.rank.shape, self.least.shape[1], self.newest.shape[1])
        getattr(compiled, name)(shape, *map(c_int64, sizes), addresses(*self, *given))


class TorchBook(SlotFacts):
    """The same in torch, where there is no C: every step looks at all slots."""

    @property
    def occupied(self) -> Tensor:
        """How many slots hold an event, [B]."""
        return self.filled.sum(1)

    def used(self) -> int:
        """Return a number of slots from which on all are free in all rows."""
        return slots_in_use(self.filled, 1)

    def crowds(self, rows: Tensor, slots: Tensor) -> Tensor:
        """Return how many slots hold events equal to those in slots [K] of rows [K]; 1 for an empty one."""
        return torch.where(self.filled[rows, slots], self.duplicates[rows, slots], 1)

    def look_up(self, slots: Tensor, step: Tensor) -> Known:
        """Return what is known of slots [B, K] at steps of some numbers [B]; of slots above N that they are empty."""
        inside = slots < self.rank.shape[1]
        at = slots * inside
        alive = inside & self.filled.gather(1, at)
        age = (step.unsqueeze(1) - self.birth.gather(1, at)) * alive
        crowd = torch.where(alive, self.duplicates.gather(1, at), 1)
        return Known(alive, self.event_hash.gather(1, at) * alive, age, crowd)


def book_of(log_gates: Tensor, event_hash: Tensor, birth: Tensor, filled: Tensor) -> SlotBook | TorchBook:
    """Make the book of slots, [B, N] each."""
    known = log_gates, event_hash, birth, filled
    in_c = log_gates.is_cpu and library(_SOURCE, log_gates.dtype) is not None
    return SlotBook.of(*known) if in_c else TorchBook(*SlotFacts.of(*known))


def _copy(facts: Tensor) -> Tensor:
    return facts.clone(memory_format=torch.contiguous_format)
