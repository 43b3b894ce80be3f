"""Controllers: the recurrent (or memoryless) network in front of a memory.

A controller answers three questions: its initial state, what an input adds, and what it makes of one step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from engram.memory.paths import NAIVE
from engram.memory.state import State, reset

ControllerState = TypeVar("ControllerState", bound=State)
NOT_IN_A_LOOP = frozenset({"initial_state", "forward", "run", "run_naive", "path", "why_naive"})
"""What a subclass may override without changing `step`, so that a loop with the steps written out still holds."""


class Controller(nn.Module, ABC, Generic[ControllerState]):
    """Maps inputs [T, B, D] to hidden vectors [T, B, H].

    What the inputs add (`from_input`, to [T, B, P]) does not depend on the step before, so it is one product for a
    whole sequence; `step` does the rest. A memory's read that is fed back adds to the same P.

    Args:
        input_size: D.
        projected_size: P.
        hidden_size: H.

    Raises:
        ValueError: if `hidden_size` is not a whole number of at least 1.
    """

    def __init__(self, input_size: int, projected_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.projected_size = projected_size
        self.hidden_size = hidden_size
        self.from_input = nn.Linear(input_size, projected_size)

    @abstractmethod
    def initial_state(self, batch_size: int) -> ControllerState:
        """Return the state before the first step of `batch_size` episodes."""

    @abstractmethod
    def step(self, projected: Tensor, state: ControllerState) -> tuple[Tensor, ControllerState]:
        """Take one step.

        Args:
            projected: [B, P] what the input (and a memory's read) adds.
            state: leaves [B, ...], after any reset.

        Returns:
            hidden vectors [B, H] and the state after the step.
        """

    def forward(self, inputs: Tensor, state: ControllerState, episode_starts: Tensor) -> tuple[Tensor, ControllerState]:
        """Run over a sequence in which episodes may start at any step of any row.

        Args:
            inputs: [T, B, D].
            state: state before the first step, leaves [B, ...].
            episode_starts: [T, B] bool; the state is reset before every step at which an episode starts.

        Returns:
            hidden vectors [T, B, H] and the state after the last step.
        """
        return self.run(self.from_input(inputs), state, episode_starts)

    def run(self, projected: Tensor, state: ControllerState, episode_starts: Tensor) -> tuple[Tensor, ControllerState]:
        """Run over a projected sequence [T, B, P]; a controller may do so faster than `run_naive`."""
        return self.run_naive(projected, state, episode_starts)

    def run_naive(
        self, projected: Tensor, state: ControllerState, episode_starts: Tensor
    ) -> tuple[Tensor, ControllerState]:
        """Run step by step: the definition that `run` is held to."""
        initial = self.initial_state(projected.shape[1])
        outputs = []
        for now, start in zip(projected.unbind(0), episode_starts.unbind(0), strict=True):
            output, state = self.step(now, reset(state, initial, start))
            outputs.append(output)
        return torch.stack(outputs), state

    def path(self) -> str:
        """Return which implementation `run` takes, and why it is not a faster one (see `memory.paths`)."""
        return NAIVE
