"""The LSTM's fast path: the plain loop of `memory.controllers.lstm.definition.LSTM` with its backward pass written out.

Autograd would record a dozen small operations per step. Here everything that does not depend on the step before is
done for the whole sequence at once, and an episode that starts inside the sequence costs one selection at its step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.controllers.lstm.native import cell_backward, cell_forward
from engram.memory.precision import in_full_precision
from engram.memory.state import any_episode_start


def fused_lstm(
    projected: Tensor, weight: Tensor, hidden: Tensor, cell: Tensor, episode_starts: Tensor
) -> tuple[Tensor, Tensor]:
    """Run an LSTM whose initial state is zero.

    Args:
        projected: [T, B, 4H] what the inputs add to the gates.
        weight: [4H, H] from hidden vectors to gates.
        hidden, cell: [B, H] before the first step and before its reset.
        episode_starts: [T, B] bool.

    Returns:
        hidden vectors [T, B, H] and the last cell [B, H].
    """
    apply: Callable[..., tuple[Tensor, Tensor]] = _FusedLSTM.apply
    return apply(projected, weight, hidden, cell, episode_starts)


class _FusedLSTM(torch.autograd.Function):
    """See `fused_lstm`; gates are in the order input, forget, output, candidate."""

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, weight: Tensor, hidden: Tensor, cell: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor]:
        size = weight.shape[1]
        starts = episode_starts.unsqueeze(2)
        any_start = any_episode_start(episode_starts)
        transposed = weight.t()
        gates = torch.empty_like(projected)
        cells, squashed, outputs = projected.new_empty(3, *projected.shape[:2], size).unbind(0)
        # All views are taken before the loop: in it every call counts, however small its tensors are.
        i, f, o, g = (gate.unbind(0) for gate in gates.chunk(4, dim=2))
        to_sigmoid, into, out = gates[..., : 3 * size].unbind(0), gates.unbind(0), outputs.unbind(0)
        now, squash, inputs = cells.unbind(0), squashed.unbind(0), projected.unbind(0)
        before, hidden_before, start = cell, hidden, starts.unbind(0)
        for t, begins in enumerate(any_start):
            if begins:
                hidden_before, before = hidden_before.masked_fill(start[t], 0.0), before.masked_fill(start[t], 0.0)
            torch.addmm(inputs[t], hidden_before, transposed, out=into[t])
            to_sigmoid[t].sigmoid_()
            g[t].tanh_()
            torch.mul(f[t], before, out=now[t])
            now[t].addcmul_(i[t], g[t])
            torch.tanh(now[t], out=squash[t])
            torch.mul(o[t], squash[t], out=out[t])
            hidden_before, before = out[t], now[t]
        ctx.save_for_backward(weight, gates, hidden, cell, cells, squashed, outputs, starts)
        ctx.any_start = any_start
        return outputs, cells[-1].clone()

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        weight, gates, hidden, cell, cells, squashed, outputs, starts = ctx.saved_tensors
        of_outputs, of_cell = gradients
        hidden_before, cell_before = (
            torch.cat([first.unsqueeze(0), later[:-1]]).masked_fill(starts, 0.0)
            for first, later in ((hidden, outputs), (cell, cells))
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
        for t in reversed(range(len(gates))):
            of_cell = torch.addcmul(of_cell, of_hidden, to_cell[t])
            torch.mul(to_gate[t], of_cell.unsqueeze(1), out=into[t])
            torch.mul(to_output_gate[t], of_hidden, out=into_output_gate[t])
            of_cell = of_cell * keep[t]
            earlier = of_output[t - 1] if t else torch.zeros_like(of_hidden)
            if ctx.any_start[t]:
                of_cell = of_cell.masked_fill(starts[t], 0.0)
                of_hidden = earlier + (flats[t] @ weight).masked_fill(starts[t], 0.0)
            else:
                of_hidden = torch.addmm(earlier, flats[t], weight)
        of_weight = flat.flatten(0, 1).t() @ hidden_before.flatten(0, 1)
        return flat, of_weight, of_hidden, of_cell, None


def fused_cell(projected: Tensor, weight: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Take one step, as `fused_lstm` takes many: for a loop that someone else runs.

    Args:
        projected: [B, 4H].
        weight: [4H, H].
        hidden, cell: [B, H], after any reset.

    Returns:
        hidden vectors [B, H] and cells [B, H].
    """
    apply: Callable[..., tuple[Tensor, Tensor]] = _FusedCell.apply
    return apply(projected, weight, hidden, cell)


class _FusedCell(torch.autograd.Function):
    """See `fused_cell`; gates are in the order input, forget, output, candidate."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, weight: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        gates = torch.addmm(projected, hidden, weight.t())
        output, after, squashed = cell_forward(gates, cell)
        ctx.save_for_backward(weight, hidden, cell, gates, squashed)
        return output, after

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        weight, hidden, cell, gates, squashed = ctx.saved_tensors
        of_output, of_cell = gradients
        of_gates, of_cell = cell_backward(of_output, of_cell, gates, cell, squashed)
        return of_gates, of_gates.t() @ hidden, of_gates @ weight, of_cell
