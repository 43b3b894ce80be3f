"""The gated delta rule in C, on a CPU: what `memory.fast_weight.naive` says, step by step, projections parsed too."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int64
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.native.build import addresses, library, lie_on_cpu, why_not_native
from engram.memory.paths import FUSED, NATIVE

_SOURCE = Path(__file__).with_suffix(".c")
_MOST_BYTES = 2**17
"""What the C code may keep on the stack; larger heads are left to torch."""


class DeltaOutput(NamedTuple):
    """What the delta rule returns."""

    reads: Tensor  # [T, B, R, V]
    weights: Tensor  # [B, R, V, K] after the last step
    strengths: Tensor  # [T, B, R], without a graph
    decays: Tensor  # [T, B, R], without a graph


class NativeDelta(NamedTuple):
    """The delta rule for heads of these sizes."""

    heads: int  # R
    key_size: int  # K
    value_size: int  # V

    def __call__(self, projected: Tensor, weights: Tensor, episode_starts: Tensor) -> DeltaOutput | None:
        """Run along a sequence; None if there is no C code for these tensors.

        Args:
            projected: [T, B, P] queries, keys, values, strengths and decays before their bounds.
            weights: [B, R, V, K] before the first step and before its reset.
            episode_starts: [T, B] bool.
        """
        time, batch = episode_starts.shape
        heads, keys, values = self
        size = heads * (2 * keys + values + 2)
        state = (batch, heads, values, keys)
        fit = lie_on_cpu(weights.dtype, (projected, (time, batch, size)), (weights, state))
        if not fit or not episode_starts.is_cpu or self._too_large(weights):
            return None
        compiled = library(_SOURCE, weights.dtype, **self._macros())
        if compiled is None:
            return None
        apply: Callable[..., tuple[Tensor, ...]] = _Delta.apply
        return DeltaOutput(*apply(compiled, projected, weights, episode_starts))

    def path(self, like: Tensor) -> str:
        """Return which implementation runs (see `memory.paths`)."""
        if not like.is_cpu:
            return FUSED
        reason = "the heads are too large for the C code" if self._too_large(like) else ""
        reason = reason or why_not_native(_SOURCE, like.dtype, **self._macros())
        return f"{FUSED}: {reason}" if reason else NATIVE

    def _too_large(self, like: Tensor) -> bool:
        return (self.key_size + 4) * (self.value_size + 4) * like.itemsize > _MOST_BYTES

    def _macros(self) -> dict[str, int]:
        return {"R": self.heads, "K": self.key_size, "V": self.value_size}


class _Delta(torch.autograd.Function):
    """See `NativeDelta`."""

    @staticmethod
    def forward(
        ctx: Any, compiled: Any, projected: Tensor, weights: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, ...]:
        given = projected.contiguous(), weights.contiguous(), episode_starts.contiguous()
        (time, batch), (heads, values, _) = episode_starts.shape, weights.shape[1:]
        reads, after = projected.new_empty(time, batch, heads, values), torch.empty_like(given[1])
        numbers = projected.new_empty(2, time, batch, heads).unbind(0)
        at = addresses(*given, reads, after, *numbers)
        compiled.delta_forward(c_int64(time), c_int64(batch), at)
        ctx.compiled = compiled
        ctx.save_for_backward(*given)
        ctx.mark_non_differentiable(*numbers)
        return reads, after, *numbers

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_reads: Tensor, of_after: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        projected, weights, starts = ctx.saved_tensors
        (time, batch), (values, keys) = starts.shape, weights.shape[2:]
        of_reads, of_after = of_reads.contiguous(), of_after.contiguous()
        of_projected, of_before = torch.empty_like(projected), torch.empty_like(weights)
        matrices, wrong = projected.new_empty(time, keys, values), projected.new_empty(time, values)
        at = addresses(projected, weights, starts, *[None] * 4)
        back = addresses(of_reads, of_after, of_projected, of_before, matrices, wrong)
        ctx.compiled.delta_backward(c_int64(time), c_int64(batch), at, back)
        return None, of_projected, of_before, None
