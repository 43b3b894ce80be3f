"""The LSTM in C: what `memory.controllers.lstm.fused` does in torch, several times faster on a CPU.

A whole sequence is one call, and its backward pass another; of that only the gradient of the weight is left to torch,
as one large product.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.controllers.lstm import fused
from engram.memory.native.build import addresses, library, lie_on_cpu, why_not_native
from engram.memory.native.product import pack
from engram.memory.paths import FUSED, NATIVE
from engram.memory.precision import in_full_precision

_SOURCE = Path(__file__).with_suffix(".c")


def native_lstm(
    projected: Tensor,
    weight: Tensor,
    hidden: Tensor,
    cell: Tensor,
    initial_hidden: Tensor,
    initial_cell: Tensor,
    episode_starts: Tensor,
    begins: list[bool],
) -> tuple[Tensor, Tensor]:
    """See `memory.controllers.lstm.fused.fused_lstm`."""
    if len(projected) == 1 and not torch.is_grad_enabled():  # acting: for one product the weight is not packed
        if begins[0]:
            start = episode_starts[0].unsqueeze(1)
            hidden, cell = torch.where(start, initial_hidden, hidden), torch.where(start, initial_cell, cell)
        output, after, _ = cell_forward(torch.addmm(projected[0], hidden, weight.t()), cell)
        return output.unsqueeze(0), after
    tensors = (projected, weight, hidden, cell, initial_hidden, initial_cell)
    if (compiled := _library(*tensors, episode_starts)) is None:
        return fused.fused_lstm(*tensors, episode_starts, begins)
    apply: Callable[..., tuple[Tensor, Tensor]] = _NativeLSTM.apply
    return apply(compiled, any(begins), *tensors, episode_starts)


class _NativeLSTM(torch.autograd.Function):
    """See `native_lstm`."""

    @staticmethod
    def forward(ctx: Any, compiled: Any, has_starts: bool, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        projected, weight, *states, starts = (tensor.contiguous() for tensor in tensors)
        time, batch, size = *projected.shape[:2], weight.shape[1]
        gates = torch.empty_like(projected)
        hidden_before, cell_before, squashed, outputs = projected.new_empty(4, time, batch, size).unbind(0)
        last = projected.new_empty(batch, size)
        packed = pack(compiled, weight.t())
        at = addresses(
            *(packed, projected, *states, starts),
            *(hidden_before, cell_before, gates, squashed, outputs, last),
        )
        compiled.lstm_forward(*map(c_int64, (time, batch, size)), at)
        ctx.compiled, ctx.has_starts = compiled, has_starts
        ctx.save_for_backward(tensors[1], hidden_before, gates, cell_before, squashed, starts)
        return outputs, last

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, hidden_before, *kept = ctx.saved_tensors
        of_outputs = gradients[0].contiguous()
        of_cell = gradients[1].clone(memory_format=torch.contiguous_format)
        of_hidden, of_initial_hidden, of_initial_cell = (torch.empty_like(of_cell) for _ in range(3))
        of_gates = torch.empty_like(kept[0])
        packed = pack(ctx.compiled, weight)
        at = addresses(
            *(packed, *kept, of_outputs),
            *(of_gates, of_hidden, of_cell, of_initial_hidden, of_initial_cell),
        )
        ctx.compiled.lstm_backward(*map(c_int64, hidden_before.shape), at)
        of_weight = of_gates.flatten(0, 1).t() @ hidden_before.flatten(0, 1)
        # Where no episode has started a learned start has no gradient, which is not the same as one of zero.
        of_initial = (of_initial_hidden, of_initial_cell) if ctx.has_starts else (None, None)
        return None, None, of_gates, of_weight, of_hidden, of_cell, *of_initial, None


def cell_forward(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """See `memory.controllers.lstm.fused.cell_forward`."""
    compiled = _compiled(gates, cell)
    if compiled is None or not gates.is_contiguous():
        return fused.cell_forward(gates, cell)
    cell = cell.contiguous()
    output, after, squashed = torch.empty_like(cell), torch.empty_like(cell), torch.empty_like(cell)
    compiled.cell_forward(*map(c_int64, cell.shape), addresses(gates, cell, output, after, squashed))
    return output, after, squashed


def cell_backward(
    of_output: Tensor, of_cell: Tensor, gates: Tensor, cell: Tensor, squashed: Tensor
) -> tuple[Tensor, Tensor]:
    """See `memory.controllers.lstm.fused.cell_backward`."""
    compiled = _compiled(gates, cell, of_output, of_cell, squashed)
    if compiled is None:
        return fused.cell_backward(of_output, of_cell, gates, cell, squashed)
    given = [tensor.contiguous() for tensor in (gates, cell, squashed, of_output, of_cell)]
    of_gates, of_before = torch.empty_like(given[0]), torch.empty_like(given[1])
    compiled.cell_backward(*map(c_int64, cell.shape), addresses(*given, of_gates, of_before))
    return of_gates, of_before


def path(like: Tensor) -> str:
    """Return which implementation computes LSTMs of this type on this device (see `memory.paths`)."""
    if not like.is_cpu:
        return FUSED
    reason = why_not_native(_SOURCE, like.dtype)
    return f"{FUSED}: {reason}" if reason else NATIVE


def _compiled(gates: Tensor, *others: Tensor) -> Any:
    """Return the library if these are [B, 4H] and [B, H] in the memory of a CPU, of one type; torch takes the rest."""
    batch, size = others[0].shape
    given = ((gates, (batch, 4 * size)), *((tensor, (batch, size)) for tensor in others))
    return library(_SOURCE, gates.dtype) if lie_on_cpu(gates.dtype, *given) else None


def _library(projected: Tensor, weight: Tensor, *others: Tensor) -> Any:
    """Return the library if these are as `fused_lstm` expects them, on a CPU and of one type; torch takes the rest."""
    *states, starts = others
    (gates, size), (time, batch) = weight.shape, projected.shape[:2]
    given = ((weight, (4 * size, size)), (projected, (time, batch, gates)))
    fit = lie_on_cpu(weight.dtype, *given, *((state, (batch, size)) for state in states))
    fit = fit and lie_on_cpu(torch.bool, (starts, (time, batch)))
    return library(_SOURCE, weight.dtype) if fit else None
