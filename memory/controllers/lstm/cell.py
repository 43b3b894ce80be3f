"""The LSTM's gates acting on its cell, and the way back, outside the graph.

Gates are in the order input, forget, output, candidate.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cell_forward(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Let the gates act on a cell, outside the graph.

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
