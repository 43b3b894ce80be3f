"""The gated Transformer as a memory: with `controller=feedforward` it is the usual Transformer agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.interface import Encode, Memory, MemoryOutput, RecordedSteps, ReplayedSteps, StepSequence
from engram.memory.state import State, concatenate
from engram.memory.transformer.block import LayerWindow
from engram.memory.transformer.stack import Standardized, TransformerStack, TransformerState
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
        return self.stack.path()

    def initial_state(self, batch_size: int) -> TransformerState:
        return self.stack.initial_state(batch_size)

    def forward(
        self, steps: StepSequence, state: TransformerState, decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        windows = cast("list[LayerWindow] | None", cache)
        read, after, windows = self.stack.run(self._tokens(steps), state, steps.episode_starts, windows)
        trace = {"occupancy": self._occupancy(state.filled, steps.episode_starts)}
        return MemoryOutput(read, after, (), windows, trace)

    def plan(self, states: Sequence[TransformerState], recorded: RecordedSteps, stored: Tensor | None = None) -> State:
        state = concatenate(states)
        return self.stack.standardized(state, recorded.episode_starts[0]) or state

    def recall(self, steps: ReplayedSteps, plan: State, decisions: State) -> Tensor:
        if not isinstance(plan, Standardized):
            return super().recall(steps, plan, decisions)
        return self.stack.recall(self._tokens(steps), plan, steps.episode_starts)

    def _tokens(self, steps: StepSequence | ReplayedSteps) -> Tensor:
        return cast(Tensor, self.from_step(torch.cat([steps.hidden, steps.encoded], dim=-1)))

    def _occupancy(self, filled: Tensor, episode_starts: Tensor) -> Tensor:
        """Part of the window that is in use, [T, B]."""
        if len(episode_starts) == 1:
            return (filled & ~episode_starts[0].unsqueeze(1)).sum(1).unsqueeze(0) / self.stack.window
        reach = within_reach(len(episode_starts), self.stack.window, filled.device)
        seen = (same_episode(filled, episode_starts) & reach).sum(2) - 1  # the step itself is beside the window
        return seen.t() / self.stack.window
