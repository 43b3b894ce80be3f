"""Events that are equal are encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.native.build import addresses, library
from engram.memory.state import State, tree_map

_SOURCE = Path(__file__).with_suffix(".c")


def distinct(event_hashes: Tensor) -> tuple[Tensor, Tensor]:
    """Find the different ones among events.

    Args:
        event_hashes: [X] int64, equal for equal events.

    Returns:
        [E] an index of each different event, and [X] which of those each event equals.
    """
    compiled: Any = library(_SOURCE, torch.float32) if event_hashes.is_cpu else None  # there are no floats in it
    if compiled is None:
        return distinct_by_torch(event_hashes)
    hashes, room = event_hashes.contiguous(), 2 << len(event_hashes).bit_length()
    first, number = torch.empty_like(hashes), torch.empty_like(hashes)
    table = torch.zeros(room, dtype=torch.int32)
    different = compiled.distinct(c_int64(len(hashes)), c_int64(room), addresses(hashes, first, number, table))
    return first[:different], number


def distinct_by_torch(event_hashes: Tensor) -> tuple[Tensor, Tensor]:
    """Do what `distinct` does by operations in torch, in another order: the definition, which the C code is held to."""
    values, number = event_hashes.unique(return_inverse=True)
    return torch.empty_like(values).scatter_(0, number, torch.arange(len(number), device=number.device)), number


def only_used(events: State, indices: Sequence[Tensor]) -> tuple[State, list[Tensor]]:
    """Take the events that are referred to, once each.

    Args:
        events: leaves [E, ...].
        indices: int64 tensors of any shapes, in 0..E-1.

    Returns:
        the events, leaves [X, ...], and for each tensor of indices one of indices into these. On a device that would
        have to be waited for to count them, they are all taken as they come.
    """
    if not indices[0].is_cpu:
        chosen = torch.cat([index.flatten() for index in indices])
        numbers = torch.arange(len(chosen), device=chosen.device).split([index.numel() for index in indices])
        return _at(events, chosen), [part.view(index.shape) for part, index in zip(numbers, indices, strict=True)]
    size = _length(events)
    is_used = torch.zeros(size, dtype=torch.bool)
    for index in indices:
        is_used.index_fill_(0, index.flatten(), True)
    number = is_used.cumsum(0) - 1
    return _at(events, is_used.nonzero().squeeze(1)), [number[index] for index in indices]


def _at(events: State, index: Tensor) -> State:
    return tree_map(lambda leaf: leaf.index_select(0, index), events)


def _length(events: State) -> int:
    return len(events) if isinstance(events, Tensor) else _length(events[0])
