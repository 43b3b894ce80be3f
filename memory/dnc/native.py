"""The DNC's step in C: what `memory.dnc.fused` does with operations on tensors, several times faster on a CPU."""

from __future__ import annotations

from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.dnc.fused import FusedDNC
from engram.memory.feedback.fused_step import Leaves, Stepped
from engram.memory.native.build import addresses, library

_SOURCE = Path(__file__).with_suffix(".c")
_MOST_BYTES = 2**18
"""What the C code may keep on the stack; a larger memory is left to torch."""
_KEPT = 16
"""Tensors that the C code's forward pass leaves behind: its own, the order, and the states before and after."""


class NativeDNC(FusedDNC):
    """A step that is taken in C where that is possible: in the memory of a CPU, in float32 or float64."""

    def forward(self, said: Tensor, before: Leaves, decided: Tensor | None) -> Stepped:
        compiled = self._compiled(said, before, decided)
        if compiled is None:
            return super().forward(said, before, decided)
        said, before = said.contiguous(), _contiguous(before)
        after = tuple(map(torch.empty_like, before))
        kept = said.new_empty(len(said), compiled.dnc_kept())
        order = torch.empty_like(before[1], dtype=torch.int64) if decided is None else decided.contiguous()
        at = addresses(said, kept, order, *before, *after)
        if not compiled.dnc_forward(c_int64(len(said)), at, decided is not None):
            raise IndexError(f"a recorded order of slots holds numbers that are not in 0..{before[1].shape[1] - 1}")
        return Stepped(after, (kept, order, *before, *after), order)

    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        if len(kept) != _KEPT:
            return super().backward(of_after, kept)
        kept_here, order, *leaves = kept
        before, after, of_after = tuple(leaves[:7]), tuple(leaves[7:]), _contiguous(of_after)
        of_said = kept_here.new_empty(len(kept_here), sum(self.groups))
        of_before = tuple(map(torch.empty_like, before[:-1]))
        at = addresses(of_said, kept_here, order, *before, *after, *of_after, *of_before, None)
        self._library(before[0]).dnc_backward(c_int64(len(of_said)), at)
        return of_said, of_before

    def _compiled(self, said: Tensor, before: Leaves, decided: Tensor | None) -> Any:
        """Return the library if these tensors are what it expects; of others torch tells what is wrong with them."""
        b, n, w, r = len(said), before[0].shape[1], self.width, self.reads
        if (
            [leaf.shape for leaf in before] != [(b, n, w), (b, n), (b, n), (b, n, n), (b, n), (b, r, n), (b, r * w)]
            or said.shape[1] != sum(self.groups)
            or not all(leaf.is_cpu and leaf.dtype == said.dtype for leaf in (said, *before))
            or (decided is not None and (decided.shape != (b, n) or decided.dtype != torch.int64))
            or (n * (w + 8 * r + 16) + 3 * w) * said.itemsize > _MOST_BYTES
        ):
            return None
        return self._library(before[0])

    def _library(self, memory: Tensor) -> Any:
        return library(_SOURCE, memory.dtype, N=memory.shape[1], W=self.width, R=self.reads)


def _contiguous(tensors: Leaves) -> Leaves:
    return tuple(tensor.contiguous() for tensor in tensors)
