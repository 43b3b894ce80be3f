"""Grids of cells to features by look-ups in tables of what each kind of cell means; in C on a CPU."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from engram.memory.native.build import addresses, library, lie_on_cpu

_SOURCE = Path(__file__).with_suffix(".c")


def look_up(where: Tensor, what: Tensor, bias: Tensor, cells: Tensor) -> Tensor:
    """Return for each grid the sum of what its cells mean at their places, and the largest of what they mean anywhere.

    The gradient of the largest goes to the kind of cell that has it.

    Args:
        where: [P, U, D] of each of U kinds of cells at each of P places.
        what: [U, D] of each kind, wherever it is.
        bias: [D], added to the sums.
        cells: [X, P] int64, kinds.

    Returns:
        [X, 2 D]

    Raises:
        IndexError: if a cell is of no kind.
    """
    compiled = _library(where, what, bias, cells)
    if compiled is None:
        return look_up_by_torch(where, what, bias, cells)
    if not torch.is_grad_enabled():
        return _found(compiled, where, what, bias, cells)[0]
    apply: Callable[..., Tensor] = _LookUp.apply
    return apply(compiled, where, what, bias, cells)


def look_up_by_torch(where: Tensor, what: Tensor, bias: Tensor, cells: Tensor) -> Tensor:
    """Do what `look_up` does by operations in torch: the definition, which the C code is held to."""
    first = torch.arange(len(where), device=cells.device) * where.shape[1]
    places, table = cells + first, where.flatten(0, 1)
    if torch.compiler.is_exporting():  # other runtimes take a bag's items one after the other
        sums = functional.embedding(places, table).sum(1) + bias
    else:
        sums = functional.embedding_bag(places, table, mode="sum") + bias
    return torch.cat([sums, functional.embedding(cells, what).amax(1)], dim=1)


class _LookUp(torch.autograd.Function):
    """See `look_up`."""

    @staticmethod
    def forward(ctx: Any, compiled: Any, *given: Tensor) -> Tensor:
        found, largest = _found(compiled, *given)
        ctx.compiled = compiled
        ctx.save_for_backward(*given, found, largest)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        of_found, to = gradients[0].contiguous(), tuple(map(torch.zeros_like, saved[:3]))
        ctx.compiled.look_up_backward(_sizes(*saved[:4]), addresses(*saved), addresses(of_found, *to))
        return None, *to, None


def _found(compiled: Any, where: Tensor, what: Tensor, bias: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return what is found, and the kinds that have the largest, [X, D] int32."""
    shape = len(cells), what.shape[1]
    found, largest = what.new_empty(shape[0], 2 * shape[1]), torch.empty(shape, dtype=torch.int32)
    at = addresses(where, what, bias, cells, found, largest)
    outcome = compiled.look_up(_sizes(where, what, bias, cells), at)
    if outcome == 0:
        raise IndexError(f"cells of kinds from {cells.min()} to {cells.max()}: there are {len(what)}, from 0 on")
    if outcome < 0:
        raise MemoryError("too little memory for what is known of each kind of cell")
    return found, largest


def _sizes(where: Tensor, what: Tensor, bias: Tensor, cells: Tensor) -> bytes:
    return struct.pack("4q", *cells.shape, *what.shape)


def _library(where: Tensor, what: Tensor, bias: Tensor, cells: Tensor) -> Any:
    """Return the library if these tensors are what it expects; torch takes the others."""
    (kinds, size), places = what.shape, cells.shape[1]
    expected = ((where, (places, kinds, size)), (what, (kinds, size)), (bias, (size,)))
    if not lie_on_cpu(what.dtype, *expected) or cells.dtype != torch.int64 or not places:
        return None
    if not all(part.is_contiguous() for part in (where, what, bias, cells)):
        return None
    return library(_SOURCE, what.dtype)
