"""The GRU as a controller, and its fast path: the naive loop with its backward pass written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from engram.memory.arguments import check_int
from engram.memory.controllers.interface import NOT_IN_A_LOOP, Controller
from engram.memory.paths import FUSED, NAIVE, why_naive
from engram.memory.precision import full_precision, in_full_precision
from engram.memory.state import any_episode_start


class GRU(Controller[Tensor]):
    """Gated recurrent unit (Cho et al. 2014, in the form of cuDNN), the state [B, H] is its output.

    Args:
        input_size: D.
        hidden_size: H.
    """

    def __init__(self, input_size: int, hidden_size: int = 64) -> None:
        hidden_size = check_int("hidden_size", hidden_size)
        super().__init__(input_size, 3 * hidden_size, hidden_size)
        self.from_hidden = nn.Linear(hidden_size, 3 * hidden_size)
        nn.init.orthogonal_(self.from_input.weight)
        nn.init.orthogonal_(self.from_hidden.weight)
        nn.init.zeros_(self.from_input.bias)
        nn.init.zeros_(self.from_hidden.bias)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.from_hidden.weight.new_zeros(batch_size, self.hidden_size)

    def step(self, projected: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        with full_precision(projected):
            input_r, input_z, input_n = projected.to(state.dtype).chunk(3, dim=-1)
            hidden_r, hidden_z, hidden_n = self.from_hidden(state).chunk(3, dim=-1)
            candidate = torch.tanh(input_n + torch.sigmoid(input_r + hidden_r) * hidden_n)
            hidden = torch.lerp(candidate, state, torch.sigmoid(input_z + hidden_z))
        return hidden, hidden

    def run(self, projected: Tensor, state: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor]:
        if why_naive(type(self), GRU, NOT_IN_A_LOOP):
            return self.run_naive(projected, state, episode_starts)
        begins = any_episode_start(episode_starts)
        initial = self.initial_state(len(state)) if any(begins) else state
        with full_precision(projected):
            weight, bias = self.from_hidden.weight, self.from_hidden.bias
            outputs = fused_gru(projected.to(weight.dtype), weight, bias, state, initial, episode_starts, begins)
        return outputs, outputs[-1].clone()

    def path(self) -> str:
        reason = why_naive(type(self), GRU, NOT_IN_A_LOOP)
        return f"{NAIVE}: {reason}" if reason else FUSED


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
