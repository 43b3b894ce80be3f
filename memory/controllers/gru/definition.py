"""The GRU as a controller."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.controllers.gru.native import native_gru, path
from engram.memory.controllers.interface import NOT_IN_A_LOOP, Controller
from engram.memory.paths import NAIVE, why_naive
from engram.memory.precision import full_precision
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
        if torch.compiler.is_exporting() or why_naive(type(self), GRU, NOT_IN_A_LOOP):
            return self.run_naive(projected, state, episode_starts)
        begins = any_episode_start(episode_starts)
        initial = self.initial_state(len(state)) if any(begins) else state
        with full_precision(projected):
            weight, bias = self.from_hidden.weight, self.from_hidden.bias
            outputs = native_gru(projected.to(weight.dtype), weight, bias, state, initial, episode_starts, begins)
        return outputs, outputs[-1].clone()

    def path(self) -> str:
        reason = why_naive(type(self), GRU, NOT_IN_A_LOOP)
        return f"{NAIVE}: {reason}" if reason else path(self.from_hidden.weight)
