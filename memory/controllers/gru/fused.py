"""The GRU's fast path in torch: a whole sequence with its backward pass written out.

Gates are in the order reset, update, candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.precision import in_full_precision


def fused_gru(
    projected: Tensor,
    weight: Tensor,
    bias: Tensor,
    hidden: Tensor,
    initial: Tensor,
    episode_starts: Tensor,
    begins: list[bool],
) -> Tensor:
    """Run a GRU as one node of the graph.

    Args:
        projected: [T, B, 3H] what the inputs add to reset gate, update gate and candidate.
        weight: [3H, H] from hidden vectors to the same.
        bias: [3H] of that product; the candidate's part is within the reach of the reset gate.
        hidden: [B, H] before the first step and before its reset.
        initial: [B, H] at the start of an episode.
        episode_starts: [T, B] bool.
        begins: T times whether an episode may start in any row, see `memory.state.any_episode_start`.

    Returns:
        hidden vectors [T, B, H].
    """
    apply: Callable[..., Tensor] = _FusedGRU.apply
    return apply(projected, weight, bias, hidden, initial, episode_starts, begins)


class _FusedGRU(torch.autograd.Function):
    """See `fused_gru`."""

    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        weight: Tensor,
        bias: Tensor,
        hidden: Tensor,
        initial: Tensor,
        episode_starts: Tensor,
        begins: list[bool],
    ) -> Tensor:
        size = weight.shape[1]
        starts = episode_starts.unsqueeze(2)
        transposed = weight.t()
        recurrent = torch.empty_like(projected)
        gates = torch.empty_like(projected[..., : 2 * size])
        candidates, outputs = projected.new_empty(2, *projected.shape[:2], size).unbind(0)
        # All views are taken before the loop: in it every call counts, however small its tensors are.
        into, gate, candidate, out = (part.unbind(0) for part in (recurrent, gates, candidates, outputs))
        to_gates, to_candidate = (part.unbind(0) for part in recurrent.split([2 * size, size], dim=2))
        input_gates, input_candidate = (part.unbind(0) for part in projected.split([2 * size, size], dim=2))
        r, z = (part.unbind(0) for part in gates.chunk(2, dim=2))
        before, start = hidden, starts.unbind(0)
        for t, any_start in enumerate(begins):
            if any_start:
                before = torch.where(start[t], initial, before)
            torch.addmm(bias, before, transposed, out=into[t])
            torch.add(input_gates[t], to_gates[t], out=gate[t]).sigmoid_()
            torch.addcmul(input_candidate[t], r[t], to_candidate[t], out=candidate[t]).tanh_()
            torch.lerp(candidate[t], before, z[t], out=out[t])
            before = out[t]
        ctx.save_for_backward(weight, recurrent, gates, candidates, hidden, initial, outputs, starts)
        ctx.begins = begins
        return outputs

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, recurrent, gates, candidates, hidden, initial, outputs, starts = ctx.saved_tensors
        size = weight.shape[1]
        before = torch.where(starts, initial, torch.cat([hidden.unsqueeze(0), outputs[:-1]]))
        r, z = gates.chunk(2, dim=2)
        from_hidden = recurrent[..., 2 * size :]
        # What a gradient of the output means for reset gate, update gate and candidate before their squashing, as seen
        # from the hidden side, where the candidate stands behind the reset gate.
        to_candidate = (1 - z) * (1 - candidates * candidates)
        to_reset = to_candidate * from_hidden * r * (1 - r)
        to_update = (before - candidates) * z * (1 - z)
        to_recurrent = torch.stack([to_reset, to_update, to_candidate * r], dim=2)  # [T, B, 3, H]
        of_recurrent, of_hiddens = torch.empty_like(to_recurrent), torch.empty_like(outputs)
        to_part, into_part, keep, of_output, start = (
            part.unbind(0) for part in (to_recurrent, of_recurrent, z, gradients[0], starts)
        )
        into, flat = of_hiddens.unbind(0), of_recurrent.flatten(2).unbind(0)
        of_hidden = torch.zeros_like(hidden)  # from the step after
        # Where no episode has started a learned start has no gradient, which is not the same as one of zero.
        of_initial = torch.zeros_like(initial) if ctx.needs_input_grad[4] and any(ctx.begins) else None
        for t in reversed(range(len(outputs))):
            torch.add(of_output[t], of_hidden, out=into[t])
            torch.mul(to_part[t], into[t].unsqueeze(1), out=into_part[t])
            of_hidden = (flat[t] @ weight).addcmul_(into[t], keep[t])
            if ctx.begins[t]:
                if of_initial is not None:
                    of_initial += of_hidden.masked_fill(~start[t], 0.0)
                of_hidden = of_hidden.masked_fill(start[t], 0.0)
        reset_and_update, of_candidate = of_recurrent[:, :, :2].flatten(2), of_hiddens * to_candidate
        of_projected = torch.cat([reset_and_update, of_candidate], dim=2)
        rows = of_recurrent.flatten(2).flatten(0, 1)
        of_weight = rows.t() @ before.flatten(0, 1)
        return of_projected, of_weight, rows.sum(0), of_hidden, of_initial, None, None
