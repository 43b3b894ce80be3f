"""To append a step's events to a log, and to say which slots hold them: one call in C on a CPU."""

from __future__ import annotations

import math
import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.episodic.slot_facts import put
from engram.memory.native.build import addresses, library

_SOURCE = Path(__file__).with_suffix(".c")

Leaf = tuple[Tensor, Tensor]
"""[B, C, ...] of a log, and [B, ...] of the step."""


def append(leaves: list[Leaf], entry: int, place: Tensor, slot: Tensor) -> Tensor:
    """Write a step's events into a log, in place, and return the places of all slots after it, in a new tensor.

    Args:
        leaves: of the log and of the step.
        entry: of the log that is written.
        place: [B, N] int64, entries that the slots hold.
        slot: [B] int64, the slot that holds the step's event from now on, or negative.
    """
    compiled: Any = library(_SOURCE, torch.float32) if _in_one_piece(leaves, place, slot) else None
    if compiled is None:  # there are no floats in it
        return append_by_torch(leaves, entry, place, slot)
    after = torch.empty_like(place)
    pieces = b"".join(
        addresses(log, new) + struct.pack("q", new.element_size() * math.prod(new.shape[1:])) for log, new in leaves
    )
    (batch, slots), capacity = place.shape, leaves[0][0].shape[1]
    compiled.append(*map(c_int64, (batch, capacity, slots, entry, len(leaves))), pieces, addresses(place, slot, after))
    return after


def append_by_torch(leaves: list[Leaf], entry: int, place: Tensor, slot: Tensor) -> Tensor:
    """Do what `append` does by operations in torch: the definition, which the C code is held to."""
    write_rows(leaves, entry)
    after = place.clone()
    put(slot, after, after.new_full(slot.shape, entry))
    return after


def write_rows(leaves: list[Leaf], entry: int) -> None:
    """Write a step's events into an entry of a log, in place."""
    for log, new in leaves:
        log[:, entry] = new


def _in_one_piece(leaves: list[Leaf], *others: Tensor) -> bool:
    """Whether all lies in the memory of a CPU, one number after the other, of the same types."""
    if any(log.dtype != new.dtype or log.shape[2:] != new.shape[1:] for log, new in leaves):
        return False
    return all(part.is_cpu and part.is_contiguous() for pair in [*leaves, others] for part in pair)
