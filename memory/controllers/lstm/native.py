"""The LSTM's cell in C: what `memory.controllers.lstm.fused` does in torch, several times faster on a CPU."""

from __future__ import annotations

from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.controllers.lstm import fused
from engram.memory.native.build import addresses, library, why_not_native
from engram.memory.paths import FUSED, NATIVE

_SOURCE = Path(__file__).with_suffix(".c")


def cell_forward(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """See `memory.controllers.lstm.fused.cell_forward`."""
    compiled = _compiled(gates, cell)
    if compiled is None or not gates.is_contiguous():
        return fused.cell_forward(gates, cell)
    cell = cell.contiguous()
    output, after, squashed = torch.empty_like(cell), torch.empty_like(cell), torch.empty_like(cell)
    compiled.lstm_forward(*map(c_int64, cell.shape), addresses(gates, cell, output, after, squashed))
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
    compiled.lstm_backward(*map(c_int64, cell.shape), addresses(*given, of_gates, of_before))
    return of_gates, of_before


def path(like: Tensor) -> str:
    """Return which implementation computes cells of this type on this device (see `memory.paths`)."""
    if not like.is_cpu:
        return FUSED
    reason = why_not_native(_SOURCE, like.dtype)
    return f"{FUSED}: {reason}" if reason else NATIVE


def _compiled(gates: Tensor, *others: Tensor) -> Any:
    """Return the library if these are [B, 4H] and [B, H] in the memory of a CPU, of one type; torch takes the rest."""
    batch, size = others[0].shape
    fit = gates.is_cpu and gates.shape == (batch, 4 * size)
    for tensor in others:
        fit = fit and tensor.is_cpu and tensor.dtype == gates.dtype and tensor.shape == (batch, size)
    return library(_SOURCE, gates.dtype) if fit else None
