"""An LSTM and a memory that feeds its read back to it: a whole chunk as one node of the graph.

`memory.feedback.loop.FeedbackLoop.unroll_naive` is the definition. What is gained: no bookkeeping between steps, and
the gradients of the weights are one product each for the whole chunk, not one per step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.controllers.lstm.native import cell_backward, cell_forward
from engram.memory.feedback.fused_step import FusedOutput, FusedStep, Leaves
from engram.memory.native.product import Product
from engram.memory.precision import in_full_precision
from engram.memory.state import broadcast_like, leaves, reset, tree_map


class Weights(NamedTuple):
    """The products inside the loop."""

    to_gates: Tensor  # [4H, H + F] from hidden vector and read
    to_memory: Tensor  # [S, H] from hidden vector to interface vector
    bias: Tensor  # [S]


class _Across(NamedTuple):
    """The products with them, forward."""

    to_gates: Product  # [H + F, 4H]
    to_memory: Product  # [H, S]
    bias: Tensor  # [S]


class _Back(NamedTuple):
    """And for the gradients."""

    of_gates: Product  # [4H, H + F]
    of_memory: Product  # [S, H]
    nothing: Tensor  # [H + F] zero, to which the first product is added


class LoopState(NamedTuple):
    """What one step hands to the next; also the gradients of that."""

    hidden: Tensor  # [B, H]
    cell: Tensor  # [B, H]
    memory: Leaves


class Looped(NamedTuple):
    """What the loop returns."""

    hidden: Tensor  # [T, B, H]
    read: Tensor  # [T, B, F]
    state: LoopState  # after the last step
    vectors: Tensor  # [T, B, S] interface vectors, without a graph
    passed: list[Leaves]  # of the memory after every step, [B, ...], without a graph
    decisions: list[Tensor | None]  # [B, ...] of every step


def fused_loop(
    step: FusedStep,
    weights: Weights,
    projected: Tensor,
    state: LoopState,
    initial: LoopState,
    episode_starts: Tensor,
    begins: list[bool],
    decisions: Tensor | None,
) -> Looped:
    """Run along a sequence in which episodes may start at any step of any row.

    Args:
        step: the memory's.
        weights: of the products inside the loop.
        projected: [T, B, 4H] what the inputs add to the gates.
        state: before the first step and before its reset.
        initial: at the start of an episode.
        episode_starts: [T, B] bool.
        begins: T times whether an episode may start in any row, see `memory.state.any_episode_start`.
        decisions: [T, B, ...] discrete choices to be replayed; None to decide now.
    """
    apply: Callable[..., tuple[Any, ...]] = _FusedLoop.apply
    hiddens, reads, vectors, passed, made, hidden, cell, *memory = apply(
        *(step, torch.is_grad_enabled(), episode_starts, begins, decisions),
        *(*weights, projected, *leaves(state), *leaves(initial)),
    )
    return Looped(hiddens, reads, LoopState(hidden, cell, tuple(memory)), vectors, passed, made)


class _LSTMKept(NamedTuple):
    """What the LSTM's part of a backward step needs."""

    inputs: Tensor  # [B, H + F]
    gates: Tensor  # [B, 4H]
    before: Tensor  # [B, H] the cell before the step
    squashed: Tensor  # [B, H] the tanh of the cell after it
    hidden: Tensor  # [B, H]


def _forward(
    step: FusedStep, across: _Across, projected: Tensor, state: LoopState, decision: Tensor | None
) -> tuple[LoopState, Tensor, _LSTMKept, FusedOutput]:
    """Take one step; return the state after it, the interface vector, and each part's own."""
    inputs = torch.cat([state.hidden, state.memory[-1]], dim=1)
    gates = across.to_gates(inputs, projected)
    hidden, cell, squashed = cell_forward(gates, state.cell)
    vector = across.to_memory(hidden, across.bias)
    output = step.forward(vector, state.memory, decision)
    kept = _LSTMKept(inputs, gates, state.cell, squashed, hidden)
    return LoopState(hidden, cell, output.after), vector, kept, output


def _backward(
    step: FusedStep, back: _Back, of_after: LoopState, kept: _LSTMKept, kept_by_memory: Leaves
) -> tuple[LoopState, Tensor, Tensor]:
    """Return the gradients of the state before the step, of the gates, and of the interface vector."""
    of_vector, of_memory = step.backward(of_after.memory, kept_by_memory)
    of_hidden = back.of_memory(of_vector, of_after.hidden)
    of_gates, of_cell = cell_backward(of_hidden, of_after.cell, kept.gates, kept.before, kept.squashed)
    parts = [tensor.shape[1] for tensor in (of_hidden, of_after.memory[-1])]
    of_hidden, of_read = back.of_gates(of_gates, back.nothing).split(parts, dim=1)
    return LoopState(of_hidden, of_cell, (*of_memory, of_read)), of_gates, of_vector


class _FusedLoop(torch.autograd.Function):
    """See `fused_loop`."""

    @staticmethod
    def forward(
        ctx: Any,
        step: FusedStep,
        with_graph: bool,
        episode_starts: Tensor,
        begins: list[bool],
        decisions: Tensor | None,
        to_gates: Tensor,
        to_memory: Tensor,
        bias: Tensor,
        projected: Tensor,
        *states: Tensor,
    ) -> tuple[Any, ...]:
        times = len(projected)
        across = _Across(Product(to_gates.t(), times), Product(to_memory.t(), times), bias)
        state, initial = _state(states[: len(states) // 2]), _state(states[len(states) // 2 :])
        starts = episode_starts.unbind(0)
        choices = [None] * len(starts) if decisions is None else decisions.unbind(0)
        hiddens, vectors, passed, made, kept = [], [], [], [], []
        for t, inputs in enumerate(projected.unbind(0)):
            if begins[t]:
                state = reset(state, initial, starts[t])
            state, vector, kept_here, output = _forward(step, across, inputs, state, choices[t])
            hiddens.append(state.hidden)
            vectors.append(vector)
            passed.append(output.after)
            made.append(output.decision)
            if with_graph:
                kept.append((*kept_here, *output.kept))
        ctx.step, ctx.begins = step, begins
        ctx.save_for_backward(to_gates, to_memory, episode_starts, *(tensor for here in kept for tensor in here))
        stacked = torch.stack(vectors)
        ctx.mark_non_differentiable(stacked)
        reads = torch.stack([after[-1] for after in passed])
        # Clones, because the leaves in `passed` are to stay without a graph.
        return torch.stack(hiddens), reads, stacked, passed, made, *(leaf.clone() for leaf in leaves(state))

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        from_gates, from_memory, episode_starts, *kept = ctx.saved_tensors
        starts = episode_starts.unbind(0)
        nothing = from_gates.new_zeros(from_gates.shape[1])
        back = _Back(Product(from_gates, len(starts)), Product(from_memory, len(starts)), nothing)
        size, lstm_size = len(kept) // len(starts), len(_LSTMKept._fields)
        of_hiddens, of_reads, _, _, _, *of_state = gradients
        later, of_initial = _state(of_state), None
        of_gates, of_vectors = [], []
        of_hidden, of_read = of_hiddens.unbind(0), of_reads.unbind(0)
        for t in reversed(range(len(starts))):
            here = kept[t * size : (t + 1) * size]
            *others, read = later.memory
            later = LoopState(later.hidden + of_hidden[t], later.cell, (*others, read + of_read[t]))
            later, to_gates, to_memory = _backward(
                ctx.step, back, later, _LSTMKept(*here[:lstm_size]), here[lstm_size:]
            )
            of_gates.append(to_gates)
            of_vectors.append(to_memory)
            if ctx.begins[t]:
                here, later = _where(starts[t], later), _where(~starts[t], later)
                of_initial = here if of_initial is None else tree_map(torch.add, of_initial, here)
        of_projected, of_vector = torch.stack(of_gates[::-1]), torch.stack(of_vectors[::-1])
        inputs, hiddens = (torch.cat(kept[place::size]) for place in map(_LSTMKept._fields.index, ("inputs", "hidden")))
        flat = of_vector.flatten(0, 1)
        of_weights = (of_projected.flatten(0, 1).t() @ inputs, flat.t() @ hiddens, flat.sum(0))
        # Where no episode has started a learned start has no gradient, which is not the same as one of zero.
        of_initials = [None] * len(of_state) if of_initial is None else leaves(of_initial)
        return *[None] * 5, *of_weights, of_projected, *leaves(later), *of_initials


def _state(tensors: Sequence[Tensor]) -> LoopState:
    """Return the state with these leaves."""
    hidden, cell, *memory = tensors
    return LoopState(hidden, cell, tuple(memory))


def _where(rows: Tensor, gradients: LoopState) -> LoopState:
    """Return the gradients [B, ...] of some rows [B], zero in the others, even where they are not numbers."""
    return tree_map(lambda leaf: torch.where(broadcast_like(rows, leaf), leaf, 0.0), gradients)
