"""A hash of events, by which equal ones are found: it depends on their bits alone, and on no weights."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from ctypes import c_int64
from functools import cache
from itertools import compress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engram.memory.exporting import bytes_of, sum_of, words_of
from engram.memory.native.build import addresses, library
from engram.memory.state import State, leaves

_SOURCE = Path(__file__).with_suffix(".c")
WORD = 4
"""Bytes."""


def event_hash(events: State, compared: Sequence[bool] | None = None) -> Tensor:
    """Hash events: equal ones to equal numbers, different ones to different ones, but for a chance of about 2^-63.

    Events are equal if all their bits are: 0.0 and -0.0 differ, and a NaN equals a NaN of the same bits. The bytes of
    an event, one leaf after the other, are read as words w of 32 bits. The hash is the sum over all positions i of
    `x ^ (x >> 32)` with `x = a_i w + b_i` of 64 bits. (Without mixing the halves of x the hash would be linear in the
    event, and what one word adds another one could take away. To mix the sum, too, would separate nothing.)

    Args:
        events: tree with leaves [X, Y, ...] of any dtype.
        compared: which leaves count, from left to right; None for all.

    Returns:
        [X, Y] int64.
    """
    parts = [leaf.contiguous() for leaf in (leaves(events) if compared is None else compress(leaves(events), compared))]
    compiled: Any = library(_SOURCE, torch.float32) if parts[0].is_cpu else None  # there are no floats in it
    if compiled is None:
        return hash_of_bytes(torch.cat([bytes_of(leaf) for leaf in parts], dim=2))
    sizes = [leaf.element_size() * math.prod(leaf.shape[2:]) for leaf in parts]
    factors, offsets = of_positions(-(-sum(sizes) // WORD), parts[0].device)
    hashes = torch.empty(parts[0].shape[:2], dtype=torch.int64)
    pieces = [addresses(leaf) + struct.pack("q", size) for leaf, size in zip(parts, sizes, strict=True)]
    if (
        compiled.hash(
            c_int64(hashes.numel()), c_int64(len(parts)), b"".join(pieces), addresses(factors, offsets, hashes)
        )
        < 0
    ):
        raise MemoryError("too little memory to hash events")
    return hashes


def hash_of_all(events: State, known: Tensor, compared: Sequence[bool] | None) -> Tensor:
    """Return hashes of events that are equal only where all of their leaves are.

    Args:
        events: tree with leaves [X, Y, ...].
        known: [X, Y] their hashes by the leaves that count, 0 where there is no event; such stay 0.
        compared: see `event_hash`.
    """
    return known if compared is None else event_hash(events).masked_fill_(known == 0, 0)


def hash_of_bytes(joined: Tensor) -> Tensor:
    """Hash the bytes [X, Y, K] of events, see `event_hash`: the definition, which the C code is held to."""
    missing = -joined.shape[2] % WORD
    words = words_of(nn.functional.pad(joined, (0, missing)) if missing else joined)
    # What is traced are no numbers that could be kept.
    at_positions = of_positions.__wrapped__ if torch.compiler.is_exporting() else of_positions
    factors, offsets = at_positions(words.shape[2], words.device)
    mixed = (words * factors).add_(offsets)
    mixed ^= mixed >> 32
    return sum_of(mixed)


@cache
def of_positions(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return an odd factor a and a number b for each position in an event: fixed, and without a pattern.

    They come from a counter, as in SplitMix64 (Steele et al. 2014), and so are the same everywhere.
    """
    numbers = torch.arange(1, 2 * size + 1) * (0x9E3779B97F4A7C15 - 2**64)
    for _ in range(3):
        numbers ^= numbers >> 32
        numbers *= 0xBF58476D1CE4E5B9 - 2**64
    factors, offsets = numbers.to(device).chunk(2)
    return factors | 1, offsets
