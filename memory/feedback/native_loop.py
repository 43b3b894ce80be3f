"""An LSTM and a memory with a step in C, a whole chunk as one call: what `memory.feedback.fused_loop` does in torch."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int64
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.feedback.fused_loop import Looped, LoopState, Weights
from engram.memory.feedback.fused_step import FusedStep, Leaves
from engram.memory.feedback.native_step import CompiledStep, NativeStep, no_such_choice, rows, rows_back
from engram.memory.native.build import addresses, lie_on_cpu
from engram.memory.native.product import pack
from engram.memory.precision import full_precision
from engram.memory.state import leaves


class Packed(NamedTuple):
    """The weights as the C code multiplies with them; they hold as long as the weights."""

    to_gates: Tensor
    to_memory: Tensor
    bias: Tensor


class _Static(NamedTuple):
    """What has no gradient."""

    step: CompiledStep
    packed: Packed
    episode_starts: Tensor | None  # [T, B] bool, None if no episode starts
    decisions: Tensor | None


class _Made(NamedTuple):
    """What the loop returns without a graph."""

    vectors: Tensor  # [T, B, S]
    passed: Leaves  # [T, B, ...] of the memory after every step, but for the read
    choices: Tensor | None  # [T, B, ...]


class _Kept(NamedTuple):
    """What a chunk leaves behind for its backward pass, beside states and choices; the order is that of the C code."""

    inputs: Tensor  # [T, B, H + F]
    cell_before: Tensor  # [T, B, H]
    squashed: Tensor  # [T, B, H]
    gates: Tensor  # [T, B, 4H]
    outputs: Tensor  # [T, B, H]
    by_memory: Tensor  # [T, B, ...]


def native_loop(
    step: FusedStep,
    weights: Weights,
    projected: Tensor,
    state: LoopState,
    initial: LoopState,
    episode_starts: Tensor,
    begins: list[bool],
    decisions: Tensor | None,
    packed: Packed | None = None,
) -> tuple[Looped, Packed] | None:
    """Run along a sequence; see `memory.feedback.fused_loop.fused_loop`.

    Args:
        packed: what was returned before with the same weights; None to pack them.

    Returns:
        also the packed weights; None if there is no C code for these tensors.
    """
    compiled = _fitting(step, weights, projected, state, initial, episode_starts, decisions)
    if compiled is None:
        return None
    if packed is None:
        with torch.no_grad():
            to_gates, to_memory = (pack(compiled.rows, matrix.t()) for matrix in weights[:2])
            packed = Packed(to_gates, to_memory, weights.bias.contiguous())
    starts = episode_starts.contiguous() if any(begins) else None
    static = _Static(compiled, packed, starts, None if decisions is None else decisions.contiguous())
    apply: Callable[..., tuple[Any, ...]] = _NativeLoop.apply
    hiddens, reads, made, hidden, cell, *memory = apply(
        *(static, *weights, projected, *leaves(state), *leaves(initial))
    )
    passed = list(zip(*(leaf.unbind(0) for leaf in (*made.passed, reads.detach())), strict=True))
    choices = [None] * len(projected) if made.choices is None else list(made.choices.unbind(0))
    return Looped(hiddens, reads, LoopState(hidden, cell, tuple(memory)), made.vectors, passed, choices), packed


def _fitting(
    step: FusedStep,
    weights: Weights,
    projected: Tensor,
    state: LoopState,
    initial: LoopState,
    episode_starts: Tensor,
    decisions: Tensor | None,
) -> CompiledStep | None:
    """Return the step in C if all of this is as it expects it; torch takes the rest."""
    compiled = step.compiled(state.memory[0]) if isinstance(step, NativeStep) else None
    if compiled is None:
        return None
    time, batch = projected.shape[:2]
    size, vector = weights.to_memory.shape[1], compiled.layout.vector
    wide = size + compiled.layout.leaves[-1][0]
    fit = lie_on_cpu(
        projected.dtype,
        *((projected, (time, batch, 4 * size)), (weights.to_gates, (4 * size, wide))),
        *((weights.to_memory, (vector, size)), (weights.bias, (vector,))),
        *((leaf, (batch, size)) for leaf in (*state[:2], *initial[:2])),
    )
    fit = fit and lie_on_cpu(torch.bool, (episode_starts, (time, batch)))
    fit = fit and compiled.fits((time, batch, vector), state.memory, decisions, projected.dtype)
    return compiled if fit and compiled.fits((batch, vector), initial.memory, None, projected.dtype) else None


class _NativeLoop(torch.autograd.Function):
    """See `native_loop`."""

    @staticmethod
    def forward(
        ctx: Any, static: _Static, to_gates: Tensor, to_memory: Tensor, bias: Tensor, projected: Tensor, *states: Tensor
    ) -> tuple[Any, ...]:
        step, packed, starts, decisions = static
        before, initial = (
            tuple(leaf.contiguous() for leaf in part)
            for part in (states[: len(states) // 2], states[len(states) // 2 :])
        )
        projected, cell = projected.contiguous(), before[1]
        (time, batch, _), size = projected.shape, cell.shape[1]
        after, by_memory, choices = step.room(projected, time, batch)
        choices = choices if decisions is None else decisions
        vectors = projected.new_empty(time, batch, step.layout.vector)
        inputs = projected.new_empty(time, batch, to_gates.shape[1])
        cell_before, squashed, outputs = projected.new_empty(3, time, batch, size).unbind(0)
        kept, last = (
            _Kept(inputs, cell_before, squashed, torch.empty_like(projected), outputs, by_memory),
            torch.empty_like(cell),
        )
        at = addresses(*packed, projected, *before[:2], *initial[:2], *kept[:5], last)
        at += rows(vectors, by_memory, choices, before[2:], initial[2:], after, starts)
        decided = decisions is not None
        if not step.rows.loop_forward(*map(c_int64, (time, batch, size)), decided, step.as_struct, at):
            raise no_such_choice(step.layout)
        ctx.step, ctx.has_starts, ctx.leaves = step, starts is not None, len(after)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(to_gates, to_memory, starts, choices, *kept, *before[2:], *initial[2:], *after)
        made = _Made(vectors, after[:-1], choices)
        final = (outputs[-1], *(leaf[-1] for leaf in after))
        if time > 1 or any(ctx.needs_input_grad):
            # What is in `made` is to stay without a graph, and no chunk is to stay for the sake of its last step.
            final = tuple(leaf.clone() for leaf in final)
        return outputs, after[-1], made, final[0], last, *final[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        to_gates, to_memory, starts, choices, *others = ctx.saved_tensors
        kept, states, step = _Kept(*others[:6]), others[6:], ctx.step
        before, initial, after = (tuple(states[place * ctx.leaves : (place + 1) * ctx.leaves]) for place in range(3))
        of_outputs, of_reads, _, of_hidden, of_cell, *of_memory = gradients
        of_outputs, of_reads = (
            torch.zeros_like(like) if gradient is None else gradient.contiguous()
            for gradient, like in ((of_outputs, kept.outputs), (of_reads, after[-1]))
        )
        like = (kept.outputs[0], kept.outputs[0], *before)
        # What goes in is overwritten.
        of_hidden, of_cell, *of_after = (
            torch.zeros_like(leaf) if gradient is None else gradient.clone(memory_format=torch.contiguous_format)
            for gradient, leaf in zip((of_hidden, of_cell, *of_memory), like, strict=True)
        )
        of_before = tuple(map(torch.empty_like, before))
        of_initial = tuple(torch.zeros_like(leaf) if ctx.has_starts else None for leaf in like)
        of_gates, of_vectors = torch.empty_like(kept.gates), kept.gates.new_empty(*kept.gates.shape[:2], len(to_memory))
        packed = pack(step.rows, to_gates), pack(step.rows, to_memory)
        at = addresses(*[None] * 8, *kept[:5], None)
        at += rows(of_vectors, kept.by_memory, choices, before, initial, after, starts)
        of_inputs = torch.empty_like(kept.inputs[0])
        back = addresses(*packed, of_outputs, of_reads, of_gates, of_hidden, of_cell, *of_initial[:2], of_inputs)
        back += rows_back(of_vectors, tuple(of_after), of_before, of_initial[2:])
        step.rows.loop_backward(*map(c_int64, kept.outputs.shape), step.as_struct, at, back)
        of_first = of_before if len(kept.outputs) % 2 else tuple(of_after)
        flat, of_vector = of_gates.flatten(0, 1), of_vectors.flatten(0, 1)
        with full_precision(flat):  # `backward()` may be called where autocast is on
            of_weights = (
                flat.t() @ kept.inputs.flatten(0, 1),
                of_vector.t() @ kept.outputs.flatten(0, 1),
                of_vector.sum(0),
            )
        # Where no episode has started a learned start has no gradient, which is not the same as one of zero.
        return None, *of_weights, of_gates, of_hidden, of_cell, *of_first, *of_initial
