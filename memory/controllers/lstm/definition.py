"""The LSTM as a controller."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.controllers.interface import NOT_IN_A_LOOP, Controller
from engram.memory.controllers.lstm.native import native_lstm, path
from engram.memory.paths import NAIVE, why_naive
from engram.memory.precision import full_precision
from engram.memory.state import any_episode_start


class LSTMState(NamedTuple):
    """Hidden vector, which is also the output, and cell."""

    hidden: Tensor  # [B, H]
    cell: Tensor  # [B, H]


class LSTM(Controller[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with forget gates that start open.

    Args:
        input_size: D.
        hidden_size: H.
    """

    def __init__(self, input_size: int, hidden_size: int = 64) -> None:
        hidden_size = check_int("hidden_size", hidden_size)
        super().__init__(input_size, 4 * hidden_size, hidden_size)
        self.from_hidden = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        nn.init.orthogonal_(self.from_input.weight)
        nn.init.orthogonal_(self.from_hidden.weight)
        with torch.no_grad():
            self.from_input.bias.zero_()
            self.from_input.bias[hidden_size : 2 * hidden_size] = 1.0  # the forget gates

    def initial_state(self, batch_size: int) -> LSTMState:
        zeros = self.from_hidden.weight.new_zeros(batch_size, self.hidden_size)
        return LSTMState(zeros, zeros)

    def step(self, projected: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        with full_precision(projected):
            weight = self.from_hidden.weight
            i, f, o, g = torch.addmm(projected.to(weight.dtype), state.hidden, weight.t()).chunk(4, dim=-1)
            cell = torch.sigmoid(f) * state.cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
        return hidden, LSTMState(hidden, cell)

    def run(self, projected: Tensor, state: LSTMState, episode_starts: Tensor) -> tuple[Tensor, LSTMState]:
        if self.why_naive():
            return self.run_naive(projected, state, episode_starts)
        begins = any_episode_start(episode_starts)
        initial = self.initial_state(len(state.hidden)) if any(begins) else state
        with full_precision(projected):
            weight = self.from_hidden.weight
            outputs, cell = native_lstm(projected.to(weight.dtype), weight, *state, *initial, episode_starts, begins)
        return outputs, LSTMState(outputs[-1].clone(), cell)

    def why_naive(self) -> str:
        """Return why the step of this LSTM is not the one that is written out; empty if it is."""
        exported = "a step is traced to be exported" if torch.compiler.is_exporting() else ""
        return exported or why_naive(type(self), LSTM, NOT_IN_A_LOOP)

    def path(self) -> str:
        return f"{NAIVE}: {self.why_naive()}" if self.why_naive() else path(self.from_hidden.weight)
