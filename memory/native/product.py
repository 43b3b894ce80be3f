"""Products with few rows and the same matrix, over and over: the matrix is packed once, see `product.h`."""

from __future__ import annotations

from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.native.build import addresses, library, lie_on_cpu

_SOURCE = Path(__file__).with_suffix(".c")


class Product:
    """The product with a matrix, outside the graph: in C on a CPU, else in torch.

    Args:
        matrix: [K, N].
        times: how often it will be taken; for one time packing does not pay.
    """

    def __init__(self, matrix: Tensor, times: int) -> None:
        self.matrix = matrix
        self._library = library(_SOURCE, matrix.dtype) if times > 1 and matrix.is_cpu else None
        self._packed = None if self._library is None else pack(self._library, matrix)

    def __call__(self, rows: Tensor, start: Tensor) -> Tensor:
        """Return `start` plus the product of `rows`.

        Args:
            rows: [B, K].
            start: [B, N], or [N] for all rows.

        Returns:
            [B, N].
        """
        depth, columns = self.matrix.shape
        shape = (len(rows), columns)
        expected = ((rows, (len(rows), depth)), (start, shape[2 - start.dim() :]))
        if self._library is None or not lie_on_cpu(self.matrix.dtype, *expected):
            return torch.addmm(start, rows, self.matrix)
        sums, rows, start = start.new_empty(shape), rows.contiguous(), start.contiguous()
        sizes = (len(rows), depth, columns, columns if start.dim() == 2 else 0)
        self._library.product(*map(c_int64, sizes), addresses(sums, start, rows, self._packed))
        return sums


def pack(compiled: Any, matrix: Tensor) -> Tensor:
    """Pack a matrix [K, N], or the transpose of one that lies in rows, by a library that includes ``product.h``."""
    depth, columns = matrix.shape
    width = compiled.panel_columns()
    packed = matrix.new_empty(-(-columns // width) * width * depth)
    function = compiled.pack_transposed if matrix.t().is_contiguous() else compiled.pack
    given = matrix.t() if matrix.t().is_contiguous() else matrix.contiguous()
    function(c_int64(depth), c_int64(columns), addresses(packed, given))
    return packed
