"""Search for the k best slots of every head: exact, over keys that are kept as integers of 8 bits.

A sum of products of such integers is exact in any order, so that a search gives the same slots on every device and for
every number of threads, and a scan moves a quarter of the bytes. Nothing is trained or built: to write an event is to
write one row. On keys of a memory in use the best slot was always found, and of the 16 best 98.5 % (measured against
single precision); indices of libraries were slower here at equal recall, or could not replace an event in less time
than a scan takes (`docs/how_it_works/sparse_reads.md`).

In C, a coarse scan of half of the bytes tells which keys cannot be among the best; the others are looked at exactly.
"""

from __future__ import annotations

import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.memory.native.build import addresses, library, why_not_native
from engram.memory.paths import FUSED, NATIVE

_SOURCE = Path(__file__).with_suffix(".c")

_BLOCK = 64
"""Slots of which only the best is looked at first: the k best slots lie in the k blocks with the best ones."""

_LANES, _GROUP = 16, 8
"""Keys that the C code looks at together, and numbers of a key that it takes at once."""


class SearchKeys(NamedTuple):
    """What is searched, written in place; N is a multiple of the block, and has no gradient."""

    keys: Tensor  # [B, R, N, W] int8
    scales: Tensor  # [B, R, N] float32: a key is its scale times its integers
    bias: Tensor  # [B, R, N] float32: log gate + bias(age) - c log(duplicates); -inf where a slot is empty
    coarse: Tensor  # [B, R, N / 16, lines, 64] uint8, what the C code looks at first, see `keys.h`; else no lines

    @staticmethod
    def empty(rows: int, heads: int, slots: int, width: int, device: torch.device) -> SearchKeys:
        """Return room for at least `slots` slots."""
        shape = rows, heads, -(-slots // _BLOCK) * _BLOCK
        compiled: Any = library(_SOURCE, torch.float32) if device.type == "cpu" else None
        lines = -(-width // _GROUP) + 1 if compiled else 0
        integers = torch.empty((*shape, width), dtype=torch.int8, device=device)
        scales, bias = (torch.empty(shape, device=device) for _ in range(2))
        packed = (*shape[:2], shape[2] // _LANES, lines, 4 * _LANES)
        kept = SearchKeys(integers, scales, bias, torch.empty(packed, dtype=torch.uint8, device=device))
        if compiled:
            compiled.clear(kept.sizes(), addresses(*kept))
        else:
            integers.zero_()
            scales.zero_()
            bias.fill_(-torch.inf)
        return kept

    @property
    def packed(self) -> bool:
        """Whether the keys were made for the C code."""
        return self.coarse.shape[3] > 0

    def put(self, rows: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Write keys [K, R, W] of events in slots [K] of rows [K]; none where a slot is negative."""
        keys = _in_full(keys)
        compiled = self._library(keys)
        if compiled is None:
            kept = (slots >= 0).nonzero().squeeze(1)
            rows, slots, keys = rows[kept], slots[kept], keys[kept]
            self.keys[rows, :, slots], self.scales[rows, :, slots] = _quantize(keys)
            return
        given = [part.contiguous() for part in (rows, slots, keys)]  # they must outlive the call
        compiled.put(self.sizes(), c_int64(len(keys)), addresses(*self, *given))

    def set_bias(self, rows: Tensor, slots: Tensor, bias: Tensor) -> None:
        """Write biases [K, R] of the events in slots [K] of rows [K]."""
        bias = bias.float()
        compiled = self._library(bias)
        if compiled is None:
            self.bias[rows, :, slots] = bias
            return
        given = [part.contiguous() for part in (rows, slots, bias)]  # they must outlive the call
        compiled.set(self.sizes(), c_int64(len(bias)), addresses(*self, *given))

    def start_episodes(self, starts: Tensor) -> None:
        """Forget the keys of rows [B] in which an episode starts; they may be NaN."""
        compiled = self._library(self.bias)
        if compiled is None:
            self.scales[starts], self.bias[starts] = 0.0, -torch.inf
            return
        compiled.start(self.sizes(), addresses(*self, starts.contiguous()))

    def find(self, queries: Tensor, used: int, k: int) -> Tensor:
        """Find the k slots of the highest `query · key + bias`, the best first; of equal ones the first slots.

        Args:
            queries: [B, R, W], divided by √W.
            used: slots to look at, the first ones; all others are empty.
            k: how many.

        Returns:
            [B, R, min(k, N)] int64. Where fewer are filled there are empty slots among them.
        """
        used = min(-(-max(used, k) // _BLOCK) * _BLOCK, self.scales.shape[2])
        k, queries = min(k, used), _in_full(queries)
        compiled = self._library(queries)
        if compiled is None:
            return self.find_by_torch(queries, used, k)
        found = torch.empty(*queries.shape[:2], k, dtype=torch.int64)
        heap = torch.empty(2 * k, dtype=torch.int64)  # a logit and a slot each
        asked = queries.contiguous()
        compiled.find(self.sizes(), c_int64(used), c_int64(k), addresses(*self, asked, heap, found))
        return found

    def find_by_torch(self, queries: Tensor, used: int, k: int) -> Tensor:
        """Find the k best of the first `used` slots by operations in torch: the definition of `find`."""
        integers, scales = _quantize(queries)
        found = []
        for row, (query, scale) in enumerate(zip(integers, scales, strict=True)):
            logits = torch.stack([_products(*pair) for pair in zip(self.keys[row, :, :used], query, strict=True)])
            logits = logits.mul_(scale.unsqueeze(1)).mul_(self.scales[row, :, :used]).add_(self.bias[row, :, :used])
            found.append(_best(logits, k))
        return torch.stack(found)

    def _library(self, given: Tensor) -> Any:
        """Return the C code for numbers of the type of what is given, if the keys were made for it."""
        return library(_SOURCE, given.dtype) if self.packed else None

    def sizes(self) -> bytes:
        """Return `KeySizes` of the C code."""
        return struct.pack("5q", *self.keys.shape, self.coarse.shape[3])


def path(parameter: Tensor) -> str:
    """Return which implementation searches where the parameters are like this one (see `memory.paths`)."""
    if not parameter.is_cpu:
        return FUSED
    reason = why_not_native(_SOURCE, parameter.dtype)
    return f"{FUSED}: {reason}" if reason else NATIVE


def _in_full(vectors: Tensor) -> Tensor:
    """Return vectors in single precision at least: autocast makes less of them."""
    return vectors if vectors.dtype == torch.float64 else vectors.float()


def _quantize(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Round vectors [..., W] to integers, with a scale [...] for each."""
    scales = vectors.abs().amax(-1).clamp(min=1e-30) / 127
    return (vectors / scales.unsqueeze(-1)).round().to(torch.int8), scales.float()


def _products(keys: Tensor, query: Tensor) -> Tensor:
    """Return the products of keys [M, W] with a query [W], [M] float32, without an error."""
    if keys.is_cpu and len(query) > 1:  # of a width of 1 torch 2.13 makes nonsense
        return torch._int_mm(query.unsqueeze(0), keys.t()).squeeze(0).float()
    return keys.float() @ query.float()  # sums stay below 2^24


def _best(logits: Tensor, k: int) -> Tensor:
    """Return the k best [R, k] of logits [R, M], M a multiple of the block; of equal ones the first."""
    bits = logits.add_(0.0).view(torch.int32)  # adding 0 makes a zero of -0
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    by_block = (ordered - torch.arange(logits.shape[1], device=logits.device)).unflatten(1, (-1, _BLOCK))
    if by_block.shape[1] <= k:
        among_all: Tensor = by_block.flatten(1).topk(k, dim=1).indices
        return among_all
    block = by_block.amax(2).topk(k, dim=1).indices
    among = by_block.gather(1, block.unsqueeze(2).expand(-1, -1, _BLOCK)).flatten(1).topk(k, dim=1).indices
    slots: Tensor = block.gather(1, among // _BLOCK) * _BLOCK + among % _BLOCK
    return slots
