"""An LSTM and a memory that feeds its read back to it: a whole chunk as one node of the graph.

`memory.feedback.plain` is the definition. What is gained: no bookkeeping between steps, and the gradients of the
weights are one product each for the whole chunk, not one per step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memory.cell import Cell, Leaves
from memory.fused_lstm import cell_backward, cell_forward
from memory.precision import in_full_precision
from memory.state import broadcast_like, may_start, reset, tree_map


class Weights(NamedTuple):
    """The products inside the loop."""

    to_gates: Tensor  # [4H, H + F] from hidden vector and read
    to_memory: Tensor  # [S, H] from hidden vector to what is said
    bias: Tensor  # [S]


class Looped(NamedTuple):
    """What the loop returns."""

    hidden: Tensor  # [T, B, H]
    read: Tensor  # [T, B, F]
    cell: Tensor  # [B, H] after the last step
    after: Leaves  # of the memory after the last step, [B, ...]
    said: Tensor  # [T, B, S], without a graph
    passed: list[Leaves]  # of the memory after every step, [B, ...], without a graph
    decided: list[Tensor | None]  # [B, ...] of every step


def fused_loop(
    memory: Cell,
    weights: Weights,
    projected: Tensor,
    state: tuple[Tensor, Tensor, Leaves],
    initial: Leaves,
    episode_starts: Tensor,
    decided: Tensor | None,
) -> Looped:
    """Run along a sequence in which episodes may start at any step of any row.

    Args:
        memory: the memory's step.
        weights: of the products inside the loop.
        projected: [T, B, 4H] what the inputs add to the gates.
        state: hidden vector [B, H], cell [B, H] and the leaves of the memory before the first step and its reset.
        initial: leaves of the memory at the start of an episode; the LSTM starts at zero.
        episode_starts: [T, B] bool.
        decided: [T, B, ...] discrete choices to be replayed; None to decide now.
    """
    hidden, cell, before = state
    apply: Callable[..., tuple[Any, ...]] = _FusedLoop.apply
    hiddens, reads, said, steps, cell, *after = apply(
        memory, episode_starts, decided, *weights, projected, hidden, cell, *before, *initial
    )
    passed, decisions = [step.after for step in steps], [step.decided for step in steps]
    return Looped(hiddens, reads, cell, tuple(after), said, passed, decisions)


class _Step(NamedTuple):
    """What a step leaves behind, and what its backward pass needs."""

    inputs: Tensor  # [B, H + F]
    gates: Tensor  # [B, 4H]
    before: Tensor  # [B, H] the cell before the step
    cell: Tensor  # [B, H]
    squashed: Tensor  # [B, H] the cell's tanh
    hidden: Tensor  # [B, H]
    said: Tensor  # [B, S]
    after: Leaves  # of the memory
    kept: Leaves  # by the memory
    decided: Tensor | None


def _forward(
    memory: Cell,
    weights: Weights,
    projected: Tensor,
    hidden: Tensor,
    cell: Tensor,
    before: Leaves,
    decided: Tensor | None,
) -> _Step:
    inputs = torch.cat([hidden, before[-1]], dim=1)
    gates = torch.addmm(projected, inputs, weights.to_gates.t())
    hidden, after, squashed = cell_forward(gates, cell)
    said = torch.addmm(weights.bias, hidden, weights.to_memory.t())
    return _Step(inputs, gates, cell, after, squashed, hidden, said, *memory.forward(said, before, decided))


class _Gradients(NamedTuple):
    """What flows from a step to the one before it."""

    hidden: Tensor
    cell: Tensor
    memory: Leaves


def _backward(
    memory: Cell, weights: Weights, of_hidden: Tensor, of_read: Tensor, later: _Gradients, step: _Step
) -> tuple[Tensor, Tensor, _Gradients]:
    """Return the gradients of the gates and of what was said, and what flows on."""
    *others, last = later.memory
    of_said, of_before = memory.backward((*others, last + of_read), step.kept)
    of_hidden = torch.addmm(of_hidden + later.hidden, of_said, weights.to_memory)
    of_gates, of_cell = cell_backward(of_hidden, later.cell, step.gates, step.before, step.squashed)
    of_inputs = of_gates @ weights.to_gates
    of_hidden, of_fed_back = of_inputs.split([step.hidden.shape[1], last.shape[1]], dim=1)
    *others, last = of_before
    return of_gates, of_said, _Gradients(of_hidden, of_cell, (*others, last + of_fed_back))


class _FusedLoop(torch.autograd.Function):
    """See `fused_loop`."""

    @staticmethod
    def forward(
        ctx: Any,
        memory: Cell,
        episode_starts: Tensor,
        decided: Tensor | None,
        to_gates: Tensor,
        to_memory: Tensor,
        bias: Tensor,
        projected: Tensor,
        hidden: Tensor,
        cell: Tensor,
        *leaves: Tensor,
    ) -> tuple[Any, ...]:
        weights = Weights(to_gates, to_memory, bias)
        before, initial = leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :]
        any_start = may_start(episode_starts)
        starts = episode_starts.unbind(0)
        choices = [None] * len(starts) if decided is None else decided.unbind(0)
        steps: list[_Step] = []
        for t, inputs in enumerate(projected.unbind(0)):
            if any_start[t]:
                hidden, cell = (part.masked_fill(starts[t].unsqueeze(1), 0.0) for part in (hidden, cell))
                before = reset(before, initial, starts[t])
            step = _forward(memory, weights, inputs, hidden, cell, before, choices[t])
            hidden, cell, before = step.hidden, step.cell, step.after
            steps.append(step)
        ctx.memory, ctx.any_start, ctx.steps = memory, any_start, steps
        ctx.save_for_backward(*weights, episode_starts)
        said = torch.stack([step.said for step in steps])
        ctx.mark_non_differentiable(said)
        hiddens, reads = torch.stack([step.hidden for step in steps]), torch.stack([step.after[-1] for step in steps])
        # Clones: what is kept for the backward pass must not be what is returned, or neither would ever be freed.
        return hiddens, reads, said, steps, cell.clone(), *(leaf.clone() for leaf in before)

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        *parts, episode_starts = ctx.saved_tensors
        weights, steps, starts = Weights(*parts), ctx.steps, episode_starts.unbind(0)
        of_hiddens, of_reads, _, _, of_cell, *of_after = gradients
        # Clones, because a memory may write to what it is given.
        later = _Gradients(torch.zeros_like(of_cell), of_cell, tuple(leaf.clone() for leaf in of_after))
        of_initial = tuple(torch.zeros_like(leaf) for leaf in of_after)
        of_gates, of_said = [], []
        of_hidden, of_read = of_hiddens.unbind(0), of_reads.unbind(0)
        for t in reversed(range(len(steps))):
            to_gates, to_memory, later = _backward(ctx.memory, weights, of_hidden[t], of_read[t], later, steps[t])
            of_gates.append(to_gates)
            of_said.append(to_memory)
            if ctx.any_start[t]:
                for total, part in zip(of_initial, later.memory, strict=True):
                    total += torch.where(broadcast_like(starts[t], part), part, 0.0)
                later = _unless(starts[t], later)
        of_projected, of_told = torch.stack(of_gates[::-1]), torch.stack(of_said[::-1])
        flat = of_told.flatten(0, 1)
        of_weights = (
            of_projected.flatten(0, 1).t() @ torch.cat([step.inputs for step in steps]),
            flat.t() @ torch.cat([step.hidden for step in steps]),
            flat.sum(0),
        )
        return None, None, None, *of_weights, of_projected, later.hidden, later.cell, *later.memory, *of_initial


def _unless(start: Tensor, tree: _Gradients) -> _Gradients:
    """Stop gradients where an episode started."""
    return tree_map(lambda part: part.masked_fill(broadcast_like(start, part), 0.0), tree)
