"""Look-ups of rows in a table, summed or their largest taken, with gradients that are products instead of scatters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def sum_of_rows(table: Tensor, indices: Tensor) -> Tensor:
    """Return the sums [X, D] of rows [X, P] of a table [U, D]; a row may be named once in each sum."""
    apply: Callable[..., Tensor] = _SumOfRows.apply
    return apply(table, indices)


def largest_of_rows(table: Tensor, indices: Tensor) -> Tensor:
    """Return the largest of rows [X, P] of a table [U, D] in each column, [X, D].

    The gradient goes to the largest row; of equal ones to one.
    """
    if not torch.is_grad_enabled():
        return functional.embedding(indices, table).amax(1)  # faster than to find out which row it is
    apply: Callable[..., Tensor] = _LargestOfRows.apply
    return apply(table, indices)


class _SumOfRows(torch.autograd.Function):
    """See `sum_of_rows`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, indices: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.rows = len(table)
        return functional.embedding_bag(indices, table, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (indices,), (of_sums,) = ctx.saved_tensors, gradients
        named = of_sums.new_zeros(len(indices), ctx.rows).scatter_(1, indices, 1.0)
        return named.t() @ of_sums, None


class _LargestOfRows(torch.autograd.Function):
    """See `largest_of_rows`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, indices: Tensor) -> Tensor:
        if len(table) <= indices.shape[1]:
            named = torch.zeros(len(indices), len(table), dtype=torch.bool, device=table.device)
            named.scatter_(1, indices, True)
            named_rows = table.masked_fill(~named.unsqueeze(2), -torch.inf)  # [X, U, D]
            largest = named_rows.amax(1)
            # By hand: the largest together with its row takes several times as long as the largest alone.
            number = torch.arange(len(table), dtype=torch.int32, device=table.device).unsqueeze(1)
            rows = torch.where(named_rows == largest.unsqueeze(1), number, 0).amax(1).long()
        else:
            largest, places = functional.embedding(indices, table).max(1)
            rows = indices.gather(1, places)
        ctx.save_for_backward(rows)
        ctx.rows = len(table)
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,), (of_largest,) = ctx.saved_tensors, gradients
        return of_largest.new_zeros(ctx.rows, of_largest.shape[1]).scatter_add_(0, rows, of_largest), None
