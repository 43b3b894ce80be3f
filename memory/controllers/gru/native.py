"""The GRU in C: what `memory.controllers.gru.fused` does in torch, several times faster on a CPU.

A whole sequence is one call, and its backward pass another; of that only the gradients of weight and bias are left to
torch.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.controllers.gru import fused
from engram.memory.native.build import addresses, library, lie_on_cpu, why_not_native
from engram.memory.native.product import pack
from engram.memory.paths import FUSED, NATIVE
from engram.memory.precision import in_full_precision

_SOURCE = Path(__file__).with_suffix(".c")


def native_gru(
    projected: Tensor,
    weight: Tensor,
    bias: Tensor,
    hidden: Tensor,
    initial: Tensor,
    episode_starts: Tensor,
    begins: list[bool],
) -> Tensor:
    """See `memory.controllers.gru.fused.fused_gru`."""
    tensors = (projected, weight, bias, hidden, initial)
    compiled = _library(*tensors, episode_starts)
    if compiled is None:
        return fused.fused_gru(*tensors, episode_starts, begins)
    if len(projected) == 1 and not torch.is_grad_enabled():  # acting: for one product the weight is not packed
        before = torch.where(episode_starts[0].unsqueeze(1), initial, hidden) if begins[0] else hidden
        before, projected = before.contiguous(), projected.contiguous()
        gates = torch.addmm(bias, before, weight.t())
        from_hidden, outputs = torch.empty_like(before), torch.empty_like(before).unsqueeze(0)
        compiled.gru_step(*map(c_int64, before.shape), addresses(projected, before, gates, from_hidden, outputs))
        return outputs
    apply: Callable[..., Tensor] = _NativeGRU.apply
    return apply(compiled, any(begins), *tensors, episode_starts)


class _NativeGRU(torch.autograd.Function):
    """See `native_gru`."""

    @staticmethod
    def forward(ctx: Any, compiled: Any, has_starts: bool, *tensors: Tensor) -> Tensor:
        projected, weight, *others = (tensor.contiguous() for tensor in tensors)
        time, batch, size = *projected.shape[:2], weight.shape[1]
        hidden_before, from_hidden, outputs = (projected.new_empty(time, batch, size) for _ in range(3))
        gates, packed = torch.empty_like(projected), pack(compiled, weight.t())
        bias, hidden, initial, starts = others
        at = addresses(
            *(packed, bias, projected, hidden, initial, starts),
            *(hidden_before, gates, from_hidden, outputs),
        )
        compiled.gru_forward(*map(c_int64, (time, batch, size)), at)
        ctx.compiled, ctx.has_starts = compiled, has_starts
        ctx.save_for_backward(tensors[1], hidden_before, gates, from_hidden, starts)
        return outputs

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, *kept = ctx.saved_tensors
        hidden_before, gates = kept[:2]
        of_outputs, packed = gradients[0].contiguous(), pack(ctx.compiled, weight)
        of_projected, of_recurrent = torch.empty_like(gates), torch.empty_like(gates)
        of_hidden, of_initial = torch.empty_like(hidden_before[0]), torch.empty_like(hidden_before[0])
        at = addresses(packed, *kept, of_outputs, of_projected, of_recurrent, of_hidden, of_initial)
        ctx.compiled.gru_backward(*map(c_int64, hidden_before.shape), at)
        rows = of_recurrent.flatten(0, 1)
        of_weight = rows.t() @ hidden_before.flatten(0, 1)
        # Where no episode has started a learned start has no gradient, which is not the same as one of zero.
        return (
            *(None, None, of_projected, of_weight, rows.sum(0)),
            *(of_hidden, of_initial if ctx.has_starts else None, None),
        )


def path(like: Tensor) -> str:
    """Return which implementation computes GRUs of this type on this device (see `memory.paths`)."""
    if not like.is_cpu:
        return FUSED
    reason = why_not_native(_SOURCE, like.dtype)
    return f"{FUSED}: {reason}" if reason else NATIVE


def _library(
    projected: Tensor, weight: Tensor, bias: Tensor, hidden: Tensor, initial: Tensor, episode_starts: Tensor
) -> Any:
    """Return the library if these are as `fused_gru` expects them, on a CPU and of one type; torch takes the rest."""
    (gates, size), (time, batch) = weight.shape, projected.shape[:2]
    given = ((weight, (3 * size, size)), (projected, (time, batch, gates)), (bias, (gates,)))
    fit = lie_on_cpu(weight.dtype, *given, (hidden, (batch, size)), (initial, (batch, size)))
    return library(_SOURCE, weight.dtype) if fit and lie_on_cpu(torch.bool, (episode_starts, (time, batch))) else None
