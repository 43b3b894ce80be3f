"""The controller without a state: alone it is the memoryless control."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.controllers.interface import Controller
from engram.memory.paths import FUSED


class FeedForward(Controller[tuple[()]]):
    """Two layers that see one step only.

    Args:
        input_size: D.
        hidden_size: H.
    """

    def __init__(self, input_size: int, hidden_size: int = 64) -> None:
        hidden_size = check_int("hidden_size", hidden_size)
        super().__init__(input_size, hidden_size, hidden_size)
        self.last = nn.Linear(hidden_size, hidden_size)

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def step(self, projected: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return torch.tanh(self.last(torch.tanh(projected))), ()

    def run(self, projected: Tensor, state: tuple[()], episode_starts: Tensor) -> tuple[Tensor, tuple[()]]:
        return self.step(projected, state)

    def path(self) -> str:
        return FUSED  # all steps at once
