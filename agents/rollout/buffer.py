"""The rollout buffer: one rollout, cut into chunks of equal length for truncated back-propagation through time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, SupportsIndex

import torch
from torch import Tensor

from engram.agents.steps import AgentState
from engram.memory import State, tree_map
from engram.memory.state import concatenate, stack

LONGEST_CHUNK = 64
SHORTEST_CHUNK = 8
LARGEST_BATCH = 256
MINIBATCHES = 16


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
    reset_only: State = ()  # [B] bool, the step only began an episode and is not learned from; () if there are no such


class Chunks(NamedTuple):
    """M chunks of L steps each, from any envs; no padding, no mask."""

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
        self.states: list[AgentState] = []  # before each chunk's first step and its reset, leaves [B, ...]

    def add(self, state: AgentState, transition: Transition) -> None:
        """Append one step.

        Args:
            state: the agent's state before the step; kept if a chunk starts here.
            transition: what happened.
        """
        if len(self._transitions) % self.chunk_length == 0:
            self.states.append(state)
        self._transitions.append(transition)

    def so_far(self) -> Transition:
        """Return the X steps added so far as one tree with leaves [X, B, ...]."""
        return stack(self._transitions)

    def finish(self) -> Transition:
        """Return the whole rollout as one tree with leaves [T, B, ...]."""
        self.steps = self.so_far()
        self._transitions = []
        return self.steps

    def set_targets(self, advantages: Tensor, returns: Tensor, rewards: Tensor) -> None:
        """Set what the policy, the value and the predicted rewards are trained towards, [T, B] each."""
        self.advantages, self.returns, self.rewards = advantages, returns, rewards

    def chunked(self, leaf: Tensor) -> Tensor:
        """Cut what is known of all steps, [T, B, ...], into P = T / L * B chunks, [L, P, ...]."""
        chunks: Tensor = leaf.unflatten(0, (-1, self.chunk_length)).transpose(0, 1)
        return chunks.flatten(1, 2)

    def order(self, batch_size: int, n_buffers: int = 1) -> Iterator[Tensor]:
        """Yield the numbers of all chunks once, in random sets that differ by one chunk in size at most.

        Args:
            batch_size: transitions in a minibatch, at most; a multiple of the chunk length.
            n_buffers: how many of this size a minibatch is taken from, in equal shares.
        """
        n_chunks = self.advantages.numel() // self.chunk_length
        n_sets = min(n_chunks, -(-n_chunks * n_buffers // (batch_size // self.chunk_length)))
        yield from torch.randperm(n_chunks).to(self.advantages.device).tensor_split(n_sets)

    def chunks(self, chosen: Tensor) -> Chunks:
        """Return the chunks with these numbers [M]."""
        return Chunks(
            tree_map(lambda leaf: self.chunked(leaf)[:, chosen], self.steps),
            tree_map(lambda leaf: leaf[chosen], concatenate(self.states)),
            self.chunked(self.advantages)[:, chosen],
            self.chunked(self.returns)[:, chosen],
        )

    def last_chunk(self) -> tuple[Transition, AgentState]:
        """Return the steps of the rollout's last chunk, leaves [L, B, ...], and the state before it."""
        return tree_map(lambda leaf: leaf[-self.chunk_length :], self.steps), self.states[-1]


def fit_chunks(n_steps: int, n_envs: int, chunk_length: int | None, batch_size: int | None) -> tuple[int, int]:
    """Complete or check the sizes of chunks and minibatches.

    Many small minibatches are what breaks the plateau of a memory task (`docs/how_it_works/exploration.md`), so by
    default a rollout is learned in 16 of them, as far as chunks allow.

    Args:
        n_steps: steps of every env in a rollout.
        n_envs: envs that play side by side.
        chunk_length: steps of truncated back-propagation, a divisor of `n_steps`; None for the largest up to 64.
        batch_size: transitions in a minibatch, at most; a multiple of the chunk; None for a sixteenth of the rollout,
            but 256 at most and one chunk at least.

    Returns:
        chunk length and batch size.

    Raises:
        ValueError: one line that names the values and what would be right.
    """
    for name, size in {"n_steps": n_steps, "chunk_length": chunk_length, "batch_size": batch_size}.items():
        if size is not None and not isinstance(size, SupportsIndex):
            raise ValueError(f"{name}={size!r} must be a whole number")
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps} must be at least 1")
    if chunk_length is None:
        chunk_length = next(length for length in range(min(LONGEST_CHUNK, n_steps), 0, -1) if n_steps % length == 0)
        if chunk_length < min(SHORTEST_CHUNK, n_steps):
            near = round(n_steps / LONGEST_CHUNK) * LONGEST_CHUNK
            raise ValueError(
                f"n_steps={n_steps} has no divisor from {SHORTEST_CHUNK} to {LONGEST_CHUNK} for its chunks; "
                f"take n_steps={near}, or set chunk_length"
            )
    elif chunk_length < 1 or n_steps % chunk_length:
        raise ValueError(f"chunk_length={chunk_length} must be a divisor of n_steps={n_steps}")
    if batch_size is None:
        share = min(LARGEST_BATCH, n_steps * n_envs // MINIBATCHES)
        batch_size = max(2, max(1, share // chunk_length) * chunk_length)
    elif batch_size < max(2, chunk_length) or batch_size % chunk_length:
        near = max(2, max(1, round(batch_size / chunk_length)) * chunk_length)
        raise ValueError(
            f"batch_size={batch_size} must be a multiple of chunk_length={chunk_length}, at least 2, for example {near}"
        )
    return chunk_length, batch_size
