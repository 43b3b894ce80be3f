"""The gated Transformer as a controller."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from engram.memory.arguments import check_int
from engram.memory.controllers.interface import Controller
from engram.memory.transformer.stack import TransformerStack, TransformerState


class Transformer(Controller[TransformerState]):
    """The gated Transformer as a controller (see `TransformerStack`).

    Args:
        input_size: D.
        hidden_size: H, the width of its tokens.
        layers, heads, window, feedforward_size: see `TransformerStack`.

    Raises:
        ValueError: if a size is not a whole number of at least 1, or `heads` does not divide `hidden_size`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 64,
        layers: int = 2,
        heads: int = 4,
        window: int = 64,
        feedforward_size: int = 128,
    ) -> None:
        hidden_size = check_int("hidden_size", hidden_size)
        super().__init__(input_size, hidden_size, hidden_size)
        self.stack = TransformerStack(hidden_size, layers, heads, window, feedforward_size)

    def path(self) -> str:
        return self.stack.path()

    def initial_state(self, batch_size: int) -> TransformerState:
        return self.stack.initial_state(batch_size)

    def step(self, projected: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        no_start = torch.zeros(1, len(projected), dtype=torch.bool, device=projected.device)
        hidden, state = self.run(projected.unsqueeze(0), state, no_start)
        return hidden.squeeze(0), state

    def run(
        self, projected: Tensor, state: TransformerState, episode_starts: Tensor
    ) -> tuple[Tensor, TransformerState]:
        return cast(tuple[Tensor, TransformerState], self.stack(projected, state, episode_starts))
