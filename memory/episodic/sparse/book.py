"""Which slot of many an event takes: `SlotFacts` for a memory that is too large to be looked through at every step."""

from __future__ import annotations

import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.attend.definition import Learned
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.episodic.slots import slots_in_use
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.native.build import addresses, library

_SOURCE = Path(__file__).with_suffix(".c")
NOTHING = -1
"""What was found where fewer events are stored than could be read."""

_BLOCK = 1024
"""Slots of which the lowest rank is kept; as in the C code."""


class Known(NamedTuple):
    """What is known of the events in some slots [B, R, k]; of an empty one as if it were a single event of now."""

    alive: Tensor  # bool, whether there is one
    event_hash: Tensor  # int64; 0 where there is none
    place: Tensor  # int64, its entry in the log; 0 where there is none
    found: Tensor  # int32, its slot, or NOTHING
    age: Tensor  # int32, steps since it happened
    crowd: Tensor  # int32, how many slots hold an equal one


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
        self._call("crowds", rows.contiguous(), slots.contiguous(), counts, sizes=(c_int64(len(slots)),))
        return counts

    def look_up(self, slots: Tensor, step: Tensor, entries: Tensor) -> Known:
        """Return what is known of the events in some slots.

        Args:
            slots: [B, R, k]; those above N are taken to be empty.
            step: [B], number of now.
            entries: [B, N] of the log, which the slots hold.
        """
        hashes, places = torch.empty(2, *slots.shape, dtype=torch.int64).unbind(0)
        found, age, crowd = torch.empty(3, *slots.shape, dtype=torch.int32).unbind(0)
        known = Known(torch.empty(slots.shape, dtype=torch.bool), hashes, places, found, age, crowd)
        given = [part.contiguous() for part in (slots, step, entries)]  # they must outlive the call
        self._call("look_up", *given, *known, sizes=(c_int64(slots[0].numel()),))
        return known

    def renew(self, slots: Tensor, step: Tensor, learned: Learned, starts: Tensor, keys: SearchKeys) -> None:
        """Set the biases of events, see `cache.bias_of`.

        Args:
            slots: [B, K], each that of an event, or negative.
            step: [B].
            learned: of the attention.
            starts: [A - 1] the smallest age of each bucket but the first.
            keys: of which the biases are written, in place.
        """
        parts = slots, step, learned.age_bias.t(), learned.duplicate_penalty, starts
        at = [part.contiguous() for part in parts]  # they must outlive the call
        self._call("renew", *at, *keys, sizes=(c_int64(slots.shape[1]), c_int64(len(starts)), keys.sizes()))

    def _call(self, name: str, *given: Tensor, sizes: tuple[c_int64 | bytes, ...] = ()) -> None:
        compiled: Any = library(_SOURCE, self.log_gates.dtype)
        getattr(compiled, name)(self.sizes(), *sizes, addresses(*self, *given))

    def sizes(self) -> bytes:
        """Return `BookSizes` of the C code."""
        return struct.pack("4q", *self.rank.shape, self.least.shape[1], self.newest.shape[1])


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

    def look_up(self, slots: Tensor, step: Tensor, entries: Tensor) -> Known:
        """Return what is known of the events in some slots, see `SlotBook.look_up`."""
        inside = slots < self.rank.shape[1]
        rows = torch.arange(len(slots), device=slots.device).view(-1, 1, 1)
        at = rows, slots * inside
        alive = inside & self.filled[at]
        age = (step.view(-1, 1, 1) - self.birth[at]) * alive
        crowd = torch.where(alive, self.duplicates[at], 1)
        hashes, places = self.event_hash[at] * alive, entries[at] * alive
        return Known(alive, hashes, places, torch.where(alive, slots, NOTHING).int(), age.int(), crowd.int())


def book_of(log_gates: Tensor, event_hash: Tensor, birth: Tensor, filled: Tensor) -> SlotBook | TorchBook:
    """Make the book of slots, [B, N] each."""
    known = log_gates, event_hash, birth, filled
    in_c = log_gates.is_cpu and library(_SOURCE, log_gates.dtype) is not None
    return SlotBook.of(*known) if in_c else TorchBook(*SlotFacts.of(*known))


def _copy(facts: Tensor) -> Tensor:
    return facts.clone(memory_format=torch.contiguous_format)
