"""A memory's step in C: what its fused step does with operations on tensors, several times faster on a CPU."""

from __future__ import annotations

import ctypes
import struct
from abc import abstractmethod
from ctypes import c_int64
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engram.memory.feedback.fused_step import FusedOutput, FusedStep, Leaves
from engram.memory.native.build import addresses, library, lie_on_cpu, why_not_native
from engram.memory.paths import FUSED, NATIVE

_ROWS = Path(__file__).with_name("native.c")
_MOST_LEAVES = 8
"""Of a state; `MOST` in the C code."""
_MOST_BYTES = 2**18
"""What the C code may keep on the stack; a larger memory is left to torch."""


class Layout(NamedTuple):
    """Where the C code of a step is, and what it expects of a row."""

    source: Path  # it defines the functions of ``memory/native/step.h``
    sizes: dict[str, int]  # macros
    vector: int  # S, length of the interface vector
    leaves: list[tuple[int, ...]]  # shapes of the state's leaves, in order
    choice: tuple[int, ...] | None  # shape of the discrete choice; None if there is none
    stack: int  # numbers that it keeps on the stack


class CompiledStep(NamedTuple):
    """A step in C, with the functions that take it over the rows of a batch and over a chunk."""

    layout: Layout
    rows: Any  # the library of these functions
    kept: int  # numbers per row that are left for the backward pass
    as_struct: bytes  # `Step` in ``native.c``

    def room(self, like: Tensor, *before: int) -> tuple[Leaves, Tensor, Tensor | None]:
        """Return room for states after steps [*before, ...], for what they keep, and for their choices."""
        layout = self.layout
        choice = None if layout.choice is None else like.new_empty(*before, *layout.choice, dtype=torch.int64)
        return (
            tuple(like.new_empty(*before, *leaf) for leaf in layout.leaves),
            like.new_empty(*before, self.kept),
            choice,
        )

    def fits(self, vector_shape: tuple[int, ...], before: Leaves, decision: Tensor | None, dtype: torch.dtype) -> bool:
        """Return whether these are a step's, or several steps' [..., B, S]; torch reports what is wrong with others."""
        batch, layout = vector_shape[-2], self.layout
        if vector_shape[-1] != layout.vector or len(before) != len(layout.leaves):
            return False
        if not lie_on_cpu(dtype, *((leaf, (batch, *shape)) for leaf, shape in zip(before, layout.leaves, strict=True))):
            return False
        if decision is None:
            return True
        choice = layout.choice
        return choice is not None and lie_on_cpu(torch.int64, (decision, (*vector_shape[:-1], *choice)))


class NativeStep(FusedStep):
    """A step that is taken in C where that is possible: in the memory of a CPU, in float32 or float64.

    It is to stand before the step in torch among the bases of a class.
    """

    @abstractmethod
    def layout(self, slots: int) -> Layout | str:
        """Return the layout for a memory of so many slots, or why there is no C code for this step."""

    def forward(self, vector: Tensor, before: Leaves, decision: Tensor | None) -> FusedOutput:
        compiled = self.compiled(before[0])
        if (
            compiled is None
            or not lie_on_cpu(vector.dtype, (vector, (len(before[0]), compiled.layout.vector)))
            or not compiled.fits(tuple(vector.shape), before, decision, vector.dtype)
        ):
            return super().forward(vector, before, decision)  # type: ignore[safe-super]  # the step in torch
        vector, before = vector.contiguous(), _contiguous(before)
        after, kept, choice = compiled.room(vector, len(vector))
        choice = choice if decision is None else decision.contiguous()
        at = rows(vector, kept, choice, before, None, after, None)
        if not compiled.rows.rows_forward(c_int64(len(vector)), decision is not None, compiled.as_struct, at):
            raise no_such_choice(compiled.layout)
        return FusedOutput(after, (kept, kept if choice is None else choice, *before, *after), choice)

    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        leaves = len(of_after)
        if len(kept) != 2 + 2 * leaves:
            return super().backward(of_after, kept)  # type: ignore[safe-super]
        kept_here, choice, *states = kept
        before, after = tuple(states[:leaves]), tuple(states[leaves:])
        compiled = self.compiled(before[0])
        assert compiled is not None
        of_vector = kept_here.new_empty(len(kept_here), compiled.layout.vector)
        of_before = tuple(map(torch.empty_like, before[:-1]))
        at = rows(None, kept_here, choice, before, None, after, None)
        back = rows_back(of_vector, _contiguous(of_after), of_before, ())
        compiled.rows.rows_backward(c_int64(len(kept_here)), compiled.as_struct, at, back)
        return of_vector, of_before

    def path(self, before: Leaves) -> str:
        memory = before[0]
        if not memory.is_cpu:
            return FUSED
        layout = self._layout(memory)
        if isinstance(layout, str):
            return f"{FUSED}: {layout}"
        reason = why_not_native(layout.source, memory.dtype, **layout.sizes) or why_not_native(_ROWS, memory.dtype)
        return f"{FUSED}: {reason}" if reason else NATIVE

    def compiled(self, memory: Tensor) -> CompiledStep | None:
        """Return the step in C for memories [B, N, ...] like this one; None if there is none."""
        layout = self._layout(memory) if memory.is_cpu else ""
        if isinstance(layout, str):
            return None
        step = library(layout.source, memory.dtype, **layout.sizes)
        over_rows = None if step is None else library(_ROWS, memory.dtype)
        if step is None or over_rows is None:
            return None
        kept, choice = step.step_kept(), 0 if layout.choice is None else prod(layout.choice)
        functions = (
            ctypes.cast(function, ctypes.c_void_p).value for function in (step.step_forward, step.step_backward)
        )
        sizes = [prod(shape) for shape in layout.leaves]
        as_struct = struct.pack(
            f"2P4q{_MOST_LEAVES}q", *functions, layout.vector, kept, choice, len(sizes), *_padded(sizes, 0)
        )
        return CompiledStep(layout, over_rows, kept, as_struct)

    def _layout(self, memory: Tensor) -> Layout | str:
        layout = self.layout(memory.shape[1])
        if not isinstance(layout, str) and layout.stack * memory.itemsize > _MOST_BYTES:
            return "the memory is too large for the C code"
        return layout


def rows(
    vector: Tensor | None,
    kept: Tensor,
    choice: Tensor | None,
    before: Leaves,
    initial: Leaves | None,
    after: Leaves,
    starts: Tensor | None,
) -> bytes:
    """Return `Rows` in ``native.c``."""
    states = [*_padded(before), *_padded(initial or ()), *_padded(after)]
    return addresses(vector, kept, choice, *states, starts)


def rows_back(of_vector: Tensor, of_after: Leaves, of_before: Leaves, of_initial: tuple[Tensor | None, ...]) -> bytes:
    """Return `RowsBack` in ``native.c``."""
    return addresses(of_vector, *_padded(of_after), *_padded(of_before), *_padded(of_initial))


def no_such_choice(layout: Layout) -> IndexError:
    """Return the error of a recorded choice that cannot be replayed."""
    return IndexError(f"a recorded order of slots holds numbers that are not in 0..{layout.sizes['N'] - 1}")


def _padded(leaves: Any, filler: Any = None) -> list[Any]:
    return [*leaves, *[filler] * (_MOST_LEAVES - len(leaves))]


def _contiguous(tensors: Leaves) -> Leaves:
    return tuple(tensor.contiguous() for tensor in tensors)
