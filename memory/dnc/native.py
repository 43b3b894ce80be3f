"""The DNC's step in C: what `memory.dnc.fused` does with operations on tensors, several times faster on a CPU."""

from __future__ import annotations

from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.dnc.fused import FusedDNC
from engram.memory.feedback.fused_step import FusedOutput, Leaves
from engram.memory.native.build import addresses, library, why_not_native
from engram.memory.paths import FUSED, NATIVE

_SOURCE = Path(__file__).with_suffix(".c")
_MOST_BYTES = 2**18
"""What the C code may keep on the stack; a larger memory is left to torch."""
_KEPT = 16
"""Tensors that the C code's forward pass leaves behind: its own, the order, and the states before and after."""


class NativeDNC(FusedDNC):
    """A step that is taken in C where that is possible: in the memory of a CPU, in float32 or float64."""

    def forward(self, vector: Tensor, before: Leaves, decision: Tensor | None) -> FusedOutput:
        compiled = self._compiled(vector, before, decision)
        if compiled is None:
            return super().forward(vector, before, decision)
        vector, before = vector.contiguous(), _contiguous(before)
        after = tuple(map(torch.empty_like, before))
        kept = vector.new_empty(len(vector), compiled.dnc_kept())
        order = torch.empty_like(before[1], dtype=torch.int64) if decision is None else decision.contiguous()
        at = addresses(vector, kept, order, *before, *after)
        if not compiled.dnc_forward(c_int64(len(vector)), at, decision is not None):
            raise IndexError(f"a recorded order of slots holds numbers that are not in 0..{before[1].shape[1] - 1}")
        return FusedOutput(after, (kept, order, *before, *after), order)

    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        if len(kept) != _KEPT:
            return super().backward(of_after, kept)
        kept_here, order, *leaves = kept
        before, after, of_after = tuple(leaves[:7]), tuple(leaves[7:]), _contiguous(of_after)
        of_interface = kept_here.new_empty(len(kept_here), sum(self.groups))
        of_before = tuple(map(torch.empty_like, before[:-1]))
        at = addresses(of_interface, kept_here, order, *before, *after, *of_after, *of_before, None)
        self._library(before[0]).dnc_backward(c_int64(len(of_interface)), at)
        return of_interface, of_before

    def path(self, before: Leaves) -> str:
        memory = before[0]
        if not memory.is_cpu:
            return FUSED
        reason = "links=False has no C code" if not self.has_links else ""
        if not reason and self._stack(memory) > _MOST_BYTES:
            reason = "the memory is too large for the C code"
        reason = reason or why_not_native(_SOURCE, memory.dtype, **self._sizes(memory))
        return f"{FUSED}: {reason}" if reason else NATIVE

    def _compiled(self, vector: Tensor, before: Leaves, decision: Tensor | None) -> Any:
        """Return the library if these tensors are what it expects; torch reports what is wrong with others."""
        b, n, w, r = len(vector), before[0].shape[1], self.width, self.reads
        if (
            [leaf.shape for leaf in before] != [(b, n, w), (b, n), (b, n), (b, n, n), (b, n), (b, r, n), (b, r * w)]
            or vector.shape[1] != sum(self.groups)
            or not all(leaf.is_cpu and leaf.dtype == vector.dtype for leaf in (vector, *before))
            or (decision is not None and (decision.shape != (b, n) or decision.dtype != torch.int64))
            or self._stack(before[0]) > _MOST_BYTES
        ):
            return None
        return self._library(before[0])

    def _stack(self, memory: Tensor) -> int:
        """Return how many bytes the C code keeps on the stack."""
        return (memory.shape[1] * (self.width + 8 * self.reads + 16) + 3 * self.width) * memory.itemsize

    def _sizes(self, memory: Tensor) -> dict[str, int]:
        return {"N": memory.shape[1], "W": self.width, "R": self.reads}

    def _library(self, memory: Tensor) -> Any:
        return library(_SOURCE, memory.dtype, **self._sizes(memory))


def _contiguous(tensors: Leaves) -> Leaves:
    return tuple(tensor.contiguous() for tensor in tensors)
