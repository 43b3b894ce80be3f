"""The rollout buffer: one rollout, cut into chunks of equal length for truncated back-propagation through time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from engram.agents.policy import AgentState
from engram.memory import State, tree_map
from engram.memory.state import stack


class Transition(NamedTuple):
    """One step of B envs, as it was collected."""

    observation: State  # [B, ...]
    actions: Tensor  # [B] or [B, A]
    episode_start: Tensor  # [B] bool, before the step
    action_masks: State  # [B, A] bool, or () without masks
    decisions: State  # [B, ...] the memory's recorded decisions
    log_probs: Tensor  # [B]
    values: Tensor  # [B]
    rewards: Tensor  # [B]
    terminated: Tensor  # [B] bool, after the step
    truncated: Tensor  # [B] bool, after the step


class Chunks(NamedTuple):
    """A minibatch: M chunks of L steps each, from any envs; no padding, no mask."""

    steps: Transition  # leaves [L, M, ...]
    state: AgentState  # leaves [M, ...], before the chunk's first step and before its reset
    advantages: Tensor  # [L, M]
    returns: Tensor  # [L, M]


class ChunkBuffer:
    """Keeps one rollout of T steps of B envs.

    The agent's state is kept only where a chunk starts.

    Args:
        chunk_length: L, a divisor of T.
    """

    def __init__(self, chunk_length: int) -> None:
        self.chunk_length = chunk_length
        self.reset()

    def reset(self) -> None:
        """Forget the rollout."""
        self._transitions: list[Transition] = []
        self._states: list[AgentState] = []

    def add(self, state: AgentState, transition: Transition) -> None:
        """Append one step.

        Args:
            state: the agent's state before the step; kept if a chunk starts here.
            transition: what happened.
        """
        if len(self._transitions) % self.chunk_length == 0:
            self._states.append(state)
        self._transitions.append(transition)

    def finish(self) -> Transition:
        """Return the whole rollout as one tree with leaves [T, B, ...]."""
        self.steps = stack(self._transitions)
        self._transitions = []
        return self.steps

    def set_targets(self, advantages: Tensor, returns: Tensor) -> None:
        """Set what the policy and the value are trained towards, [T, B] each."""
        self.advantages, self.returns = advantages, returns

    def last_chunk(self) -> tuple[Transition, AgentState]:
        """Return the steps of the rollout's last chunk, leaves [L, B, ...], and the state before it."""
        return tree_map(lambda leaf: leaf[-self.chunk_length :], self.steps), self._states[-1]

    def minibatches(self, batch_size: int) -> Iterator[Chunks]:
        """Yield the rollout once, in random sets of chunks.

        Args:
            batch_size: transitions in a minibatch, a multiple of the chunk length; the last may be smaller.
        """
        length = self.chunk_length
        n_envs = self.advantages.shape[1]
        states = tree_map(lambda leaf: leaf.flatten(0, 1), stack(self._states))  # [K * B, ...]

        def chunked(leaf: Tensor) -> Tensor:  # [T, B, ...] -> [L, K * B, ...]
            chunks: Tensor = leaf.unflatten(0, (-1, length)).transpose(0, 1)
            return chunks.flatten(1, 2)

        steps = tree_map(chunked, self.steps)
        advantages, returns = chunked(self.advantages), chunked(self.returns)
        order = torch.randperm(len(self._states) * n_envs).to(advantages.device)
        for chosen in order.split(batch_size // length):
            yield Chunks(
                tree_map(lambda leaf, chosen=chosen: leaf[:, chosen], steps),
                tree_map(lambda leaf, chosen=chosen: leaf[chosen], states),
                advantages[:, chosen],
                returns[:, chosen],
            )
