"""The LSTM's fast paths: its step with the backward pass written out, alone and for a whole sequence.

Autograd would record a dozen small operations per step. For a sequence, everything that does not depend on the step
before is done at once, and an episode that starts inside the sequence costs one selection at its step. Gates are in the
order input, forget, output, candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.precision import in_full_precision


def fused_lstm(
    projected: Tensor,
    weight: Tensor,
    hidden: Tensor,
    cell: Tensor,
    initial_hidden: Tensor,
    initial_cell: Tensor,
    episode_starts: Tensor,
    begins: list[bool],
) -> tuple[Tensor, Tensor]:
    """Run an LSTM as one node of the graph.

    Args:
        projected: [T, B, 4H] what the inputs add to the gates.
        weight: [4H, H] from hidden vectors to gates.
        hidden, cell: [B, H] before the first step and before its reset.
        initial_hidden, initial_cell: [B, H] at the start of an episode.
        episode_starts: [T, B] bool.
        begins: T times whether an episode may start in any row, see `memory.state.any_episode_start`.

    Returns:
        hidden vectors [T, B, H] and the last cell [B, H].
    """
    apply: Callable[..., tuple[Tensor, Tensor]] = _FusedLSTM.apply
    return apply(projected, weight, hidden, cell, initial_hidden, initial_cell, episode_starts, begins)


class _FusedLSTM(torch.autograd.Function):
    """See `fused_lstm`."""

    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        weight: Tensor,
        hidden: Tensor,
        cell: Tensor,
        initial_hidden: Tensor,
        initial_cell: Tensor,
        episode_starts: Tensor,
        begins: list[bool],
    ) -> tuple[Tensor, Tensor]:
        size = weight.shape[1]
        starts = episode_starts.unsqueeze(2)
        transposed = weight.t()
        gates = torch.empty_like(projected)
        cells, squashed, outputs = projected.new_empty(3, *projected.shape[:2], size).unbind(0)
        # All views are taken before the loop: in it every call counts, however small its tensors are.
        i, f, o, g = (gate.unbind(0) for gate in gates.chunk(4, dim=2))
        to_sigmoid, into, out = gates[..., : 3 * size].unbind(0), gates.unbind(0), outputs.unbind(0)
        now, squash, inputs = cells.unbind(0), squashed.unbind(0), projected.unbind(0)
        before, hidden_before, start = cell, hidden, starts.unbind(0)
        for t, any_start in enumerate(begins):
            if any_start:
                hidden_before = torch.where(start[t], initial_hidden, hidden_before)
                before = torch.where(start[t], initial_cell, before)
            torch.addmm(inputs[t], hidden_before, transposed, out=into[t])
            to_sigmoid[t].sigmoid_()
            g[t].tanh_()
            torch.mul(f[t], before, out=now[t])
            now[t].addcmul_(i[t], g[t])
            torch.tanh(now[t], out=squash[t])
            torch.mul(o[t], squash[t], out=out[t])
            hidden_before, before = out[t], now[t]
        initial = (initial_hidden, initial_cell)
        ctx.save_for_backward(weight, gates, hidden, cell, *initial, cells, squashed, outputs, starts)
        ctx.begins = begins
        return outputs, cells[-1].clone()

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, gates, hidden, cell, initial_hidden, initial_cell, cells, squashed, outputs, starts = ctx.saved_tensors
        of_outputs, of_cell = gradients
        hidden_before, cell_before = (
            torch.where(starts, initial, torch.cat([first.unsqueeze(0), later[:-1]]))
            for initial, first, later in ((initial_hidden, hidden, outputs), (initial_cell, cell, cells))
        )
        i, f, o, g = gates.unflatten(2, (4, -1)).unbind(2)
        # What a gradient of the cell (of the output, for the output gate) means for each gate before its squashing.
        to_gates = torch.stack(
            [g * i * (1 - i), cell_before * f * (1 - f), squashed * o * (1 - o), i * (1 - g * g)], dim=2
        )  # [T, B, 4, H]
        of_gates = torch.empty_like(to_gates)
        flat = of_gates.flatten(2)
        to_cell, to_gate, to_output_gate, keep = (
            part.unbind(0) for part in (o * (1 - squashed * squashed), to_gates, to_gates[:, :, 2], f)
        )
        into, into_output_gate, flats, of_output = (
            part.unbind(0) for part in (of_gates, of_gates[:, :, 2], flat, of_outputs)
        )
        of_hidden = of_output[-1]
        # Where no episode has started a learned start has no gradient, which is not the same as one of zero.
        is_learned = any(ctx.needs_input_grad[4:6]) and any(ctx.begins)
        of_initial = [torch.zeros_like(hidden), torch.zeros_like(cell)] if is_learned else []
        for t in reversed(range(len(gates))):
            of_cell = torch.addcmul(of_cell, of_hidden, to_cell[t])
            torch.mul(to_gate[t], of_cell.unsqueeze(1), out=into[t])
            torch.mul(to_output_gate[t], of_hidden, out=into_output_gate[t])
            of_cell = of_cell * keep[t]
            earlier = of_output[t - 1] if t else torch.zeros_like(of_hidden)
            if ctx.begins[t]:
                of_before = flats[t] @ weight
                for total, gradient in zip(of_initial, (of_before, of_cell), strict=False):
                    total += gradient.masked_fill(~starts[t], 0.0)
                of_cell = of_cell.masked_fill(starts[t], 0.0)
                of_hidden = earlier + of_before.masked_fill(starts[t], 0.0)
            else:
                of_hidden = torch.addmm(earlier, flats[t], weight)
        of_weight = flat.flatten(0, 1).t() @ hidden_before.flatten(0, 1)
        return flat, of_weight, of_hidden, of_cell, *(of_initial or (None, None)), None, None


def cell_forward(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute a cell from its gates, outside the graph: for a loop that is a node of its own.

    Args:
        gates: [B, 4H] before they are squashed, which happens in place.
        cell: [B, H].

    Returns:
        the output, the cell and the squashed cell, [B, H] each.
    """
    size = cell.shape[1]
    gates[:, : 3 * size].sigmoid_()
    gates[:, 3 * size :].tanh_()
    i, f, o, g = gates.chunk(4, dim=1)
    after = (f * cell).addcmul_(i, g)
    squashed = after.tanh()
    return o * squashed, after, squashed


def cell_backward(
    of_output: Tensor, of_cell: Tensor, gates: Tensor, cell: Tensor, squashed: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the gates before they were squashed, [B, 4H], and of the cell before the step."""
    i, f, o, g = gates.chunk(4, dim=1)
    of_squashed = of_output * o
    of_cell = (of_cell + of_squashed).addcmul_(of_squashed, squashed.square(), value=-1)
    of_squashing = gates * (1 - gates)
    of_squashing[:, 3 * cell.shape[1] :] = 1 - g.square()  # the candidate's is another
    of_gates = torch.cat([of_cell * g, of_cell * cell, of_output * squashed, of_cell * i], dim=1).mul_(of_squashing)
    return of_gates, of_cell * f
