"""Controllers: the recurrent (or memoryless) network in front of a memory.

A controller answers two questions: its initial state, and what it makes of a sequence in which episodes may start at
any step of any row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, SupportsIndex, TypeVar

import torch
from torch import Tensor, nn

from memory.fused_lstm import fused_lstm
from memory.state import State, reset

ControllerState = TypeVar("ControllerState", bound=State)


class Controller(nn.Module, ABC, Generic[ControllerState]):
    """Maps inputs [T, B, D] to hidden vectors [T, B, H]."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if not isinstance(hidden_size, SupportsIndex) or hidden_size < 1:
            raise ValueError(f"hidden_size={hidden_size!r} must be a whole number of at least 1")
        self.input_size = input_size
        self.hidden_size = int(hidden_size)

    @abstractmethod
    def initial_state(self, batch_size: int) -> ControllerState:
        """Return the state before the first step of `batch_size` episodes."""

    @abstractmethod
    def forward(self, inputs: Tensor, state: ControllerState, episode_starts: Tensor) -> tuple[Tensor, ControllerState]:
        """Run over a sequence.

        Args:
            inputs: [T, B, D].
            state: state before the first step, leaves [B, ...].
            episode_starts: [T, B] bool; the state is reset before every step at which an episode starts.

        Returns:
            hidden vectors [T, B, H] and the state after the last step.
        """


class LSTMState(NamedTuple):
    """Hidden vector, which is also the output, and cell."""

    hidden: Tensor  # [B, H]
    cell: Tensor  # [B, H]


class LSTM(Controller[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with forget gates that start open."""

    def __init__(self, input_size: int, hidden_size: int = 64) -> None:
        super().__init__(input_size, hidden_size)
        self.from_input = nn.Linear(input_size, 4 * hidden_size)
        self.from_hidden = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        nn.init.orthogonal_(self.from_input.weight)
        nn.init.orthogonal_(self.from_hidden.weight)
        with torch.no_grad():
            self.from_input.bias.zero_()
            self.from_input.bias[hidden_size : 2 * hidden_size] = 1.0  # the forget gates

    def initial_state(self, batch_size: int) -> LSTMState:
        zeros = self.from_hidden.weight.new_zeros(batch_size, self.hidden_size)
        return LSTMState(zeros, zeros)

    def forward(self, inputs: Tensor, state: LSTMState, episode_starts: Tensor) -> tuple[Tensor, LSTMState]:
        outputs, cell = fused_lstm(
            self.from_input(inputs), self.from_hidden.weight, state.hidden, state.cell, episode_starts
        )
        return outputs, LSTMState(outputs[-1], cell)

    def loop(self, inputs: Tensor, state: LSTMState, episode_starts: Tensor) -> tuple[Tensor, LSTMState]:
        """Run the plain loop, which is the definition that `forward` is held to."""
        initial = self.initial_state(inputs.shape[1])
        outputs = []
        # W_x x_t does not depend on the state: one product for the whole sequence.
        for projected, start in zip(self.from_input(inputs).unbind(0), episode_starts.unbind(0), strict=True):
            hidden, cell = reset(state, initial, start)
            i, f, o, g = torch.addmm(projected, hidden, self.from_hidden.weight.t()).chunk(4, dim=-1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            state = LSTMState(torch.sigmoid(o) * torch.tanh(cell), cell)
            outputs.append(state.hidden)
        return torch.stack(outputs), state


class GRU(Controller[Tensor]):
    """Gated recurrent unit (Cho et al. 2014), the state [B, H] is its output."""

    def __init__(self, input_size: int, hidden_size: int = 64) -> None:
        super().__init__(input_size, hidden_size)
        self.from_input = nn.Linear(input_size, 3 * hidden_size)
        self.from_hidden = nn.Linear(hidden_size, 3 * hidden_size)
        nn.init.orthogonal_(self.from_input.weight)
        nn.init.orthogonal_(self.from_hidden.weight)
        with torch.no_grad():
            self.from_input.bias.zero_()
            self.from_hidden.bias.zero_()

    def initial_state(self, batch_size: int) -> Tensor:
        return self.from_hidden.weight.new_zeros(batch_size, self.hidden_size)

    def forward(self, inputs: Tensor, state: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor]:
        initial = self.initial_state(inputs.shape[1])
        outputs = []
        for projected, start in zip(self.from_input(inputs).unbind(0), episode_starts.unbind(0), strict=True):
            hidden = reset(state, initial, start)
            input_r, input_z, input_n = projected.chunk(3, dim=-1)
            hidden_r, hidden_z, hidden_n = self.from_hidden(hidden).chunk(3, dim=-1)
            candidate = torch.tanh(input_n + torch.sigmoid(input_r + hidden_r) * hidden_n)
            state = torch.lerp(candidate, hidden, torch.sigmoid(input_z + hidden_z))
            outputs.append(state)
        return torch.stack(outputs), state


class FeedForward(Controller[tuple[()]]):
    """Two layers without a state: alone it is the memoryless control."""

    def __init__(self, input_size: int, hidden_size: int = 64) -> None:
        super().__init__(input_size, hidden_size)
        self.layers = nn.Sequential(
            nn.Linear(input_size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, hidden_size), nn.Tanh()
        )

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def forward(self, inputs: Tensor, state: tuple[()], episode_starts: Tensor) -> tuple[Tensor, tuple[()]]:
        return self.layers(inputs), ()
