"""The gated Transformer as a memory: with `controller=feedforward` it is the usual Transformer agent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.interface import Encode, Memory, MemoryOutput, StepSequence
from engram.memory.paths import FUSED
from engram.memory.state import State
from engram.memory.transformer.stack import TransformerStack, TransformerState
from engram.memory.transformer.window_attention import same_episode, within_reach


class TransformerMemory(Memory[TransformerState]):
    """Every step writes a token, made of the hidden vector and the encoded event, to a sliding window of them.

    What is read at a step is the output of the stack (see `TransformerStack`) there; the step itself is in it, so a
    wiped memory still reads that one.

    Args:
        encode, event, encoded_size, hidden_size: see `Memory`.
        width: W, of tokens and reads.
        layers, heads, window, feedforward_size: see `TransformerStack`.

    Raises:
        ValueError: if a size is not a whole number of at least 1, or `heads` does not divide `width`.
    """

    def __init__(
        self,
        encode: Encode,
        event: State,
        encoded_size: int,
        hidden_size: int,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        window: int = 64,
        feedforward_size: int = 128,
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        self.read_size = check_int("width", width)
        self.from_step = nn.Linear(hidden_size + encoded_size, self.read_size)
        self.stack = TransformerStack(self.read_size, layers, heads, window, feedforward_size)

    def path(self) -> str:
        return FUSED  # all steps at once

    def initial_state(self, batch_size: int) -> TransformerState:
        return self.stack.initial_state(batch_size)

    def forward(
        self, steps: StepSequence, state: TransformerState, decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        tokens = self.from_step(torch.cat([steps.hidden, steps.encoded], dim=-1))
        read, after = self.stack(tokens, state, steps.episode_starts)
        return MemoryOutput(read, after, (), None, {"occupancy": self._occupancy(state.filled, steps.episode_starts)})

    def _occupancy(self, filled: Tensor, episode_starts: Tensor) -> Tensor:
        """Part of the window that is in use, [T, B]."""
        reach = within_reach(len(episode_starts), self.stack.window, filled.device)
        seen = (same_episode(filled, episode_starts) & reach).sum(2) - 1  # the step itself is beside the window
        return seen.t() / self.stack.window
