"""The LSTM's fast path: the plain loop of `memory.controller.LSTM` with its backward pass written out.

Autograd would record a dozen small operations per step. Here everything that does not depend on the step before is
done for the whole sequence at once, and an episode that starts inside the sequence costs one selection at its step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


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
        length, batch, size = len(projected), projected.shape[1], weight.shape[1]
        starts = episode_starts.unsqueeze(2)
        any_start = episode_starts.any(1).tolist()
        transposed = weight.t()
        gates = torch.empty_like(projected)
        hidden_before, cell_before = projected.new_empty(2, length, batch, size)
        squashed, outputs = projected.new_empty(2, length, batch, size)
        for t in range(length):
            if any_start[t]:
                hidden, cell = hidden.masked_fill(starts[t], 0.0), cell.masked_fill(starts[t], 0.0)
            hidden_before[t], cell_before[t] = hidden, cell
            gate = torch.addmm(projected[t], hidden, transposed, out=gates[t])
            gate[:, : 3 * size].sigmoid_()
            gate[:, 3 * size :].tanh_()
            i, f, o, g = gate.chunk(4, dim=1)
            cell = torch.addcmul(f * cell, i, g)
            torch.tanh(cell, out=squashed[t])
            hidden = torch.mul(o, squashed[t], out=outputs[t])
        ctx.save_for_backward(weight, gates, hidden_before, cell_before, squashed, starts)
        ctx.any_start = any_start
        return outputs, cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        weight, gates, hidden_before, cell_before, squashed, starts = ctx.saved_tensors
        of_outputs, of_cell = gradients
        i, f, o, g = gates.unflatten(2, (4, -1)).unbind(2)
        # What a gradient of the cell (of the output, for the output gate) means for each gate before its squashing.
        to_gates = torch.stack(
            [g * i * (1 - i), cell_before * f * (1 - f), squashed * o * (1 - o), i * (1 - g * g)], dim=2
        )  # [T, B, 4, H]
        to_cell = o * (1 - squashed * squashed)
        of_gates = torch.empty_like(to_gates)
        of_hidden = torch.zeros_like(of_cell)
        for t in reversed(range(len(gates))):
            of_hidden = of_hidden + of_outputs[t]
            of_cell = torch.addcmul(of_cell, of_hidden, to_cell[t])
            torch.mul(to_gates[t], of_cell.unsqueeze(1), out=of_gates[t])
            torch.mul(to_gates[t, :, 2], of_hidden, out=of_gates[t, :, 2])
            of_hidden = of_gates[t].flatten(1) @ weight
            of_cell = of_cell * f[t]
            if ctx.any_start[t]:
                of_hidden, of_cell = of_hidden.masked_fill(starts[t], 0.0), of_cell.masked_fill(starts[t], 0.0)
        flat = of_gates.flatten(2)
        of_weight = flat.flatten(0, 1).t() @ hidden_before.flatten(0, 1)
        return flat, of_weight, of_hidden, of_cell, None
