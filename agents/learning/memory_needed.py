"""How much memory a training will take beside what is there already: worked out from one chunk of invented steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array
from torch import Tensor

from engram.agents.learning.lesson import loss_of, prepare
from engram.agents.learning.numbers import UpdateNumbers
from engram.agents.policy import MemoryPolicy
from engram.agents.rollout.buffer import ChunkBuffer, Transition
from engram.agents.spaces import ACTION_MASK, observation_tree
from engram.memory.state import State, leaves

ROWS = 4
"""Chunks that are invented: what is taken once, such as for the weights, counts little then."""


def memory_needed(
    policy: MemoryPolicy, numbers: UpdateNumbers, n_steps: int, n_envs: int, chunk_length: int
) -> tuple[int, int]:
    """Return the bytes of a rollout and of a minibatch on its way back, about.

    All observations are taken for different, so that it may be less.

    Args:
        policy: the agent; a copy of it is taken.
        numbers: of PPO.
        n_steps: T, steps of every env in a rollout.
        n_envs: B.
        chunk_length: L, steps of truncated back-propagation.
    """
    policy = deepcopy(policy)  # a module of the user's own may count what it sees
    with torch.random.fork_rng(devices=[policy.device] if policy.device.type == "cuda" else []):
        buffer = _invented(policy, chunk_length)
        events, lesson = prepare(policy, buffer)
        stored = [buffer.steps, tuple(buffer.states), events, lesson]
        with _counting(policy) as sizes:
            loss_of(policy, events, lesson, numbers, numbers.reward_coef)
    rows = n_steps // chunk_length * n_envs / ROWS
    chunks = max(1, min(numbers.batch_size, n_steps * n_envs) // chunk_length) / ROWS
    return int(sum(map(_bytes, stored)) * rows), int(sum(sizes.values()) * chunks)


def _invented(policy: MemoryPolicy, length: int) -> ChunkBuffer:
    """Return a rollout of one chunk in each row, in which nothing happens."""
    space = deepcopy(policy.observation_space)
    space.seed(0)
    buffer, state = ChunkBuffer(length), policy.initial_state(ROWS)
    never, nothing = torch.zeros(ROWS, dtype=torch.bool), torch.zeros(ROWS)
    starts = ~never
    with torch.no_grad():
        for _ in range(length):
            empty: Any = create_empty_array(space, ROWS)
            drawn: Any = concatenate(space, [space.sample() for _ in range(ROWS)], empty)
            if isinstance(space, spaces.Dict) and ACTION_MASK in space.spaces:
                drawn[ACTION_MASK][:] = 1  # one that is drawn may allow nothing
            observation = observation_tree(drawn, space, policy.device)
            step = policy.act(observation, state, starts.to(policy.device))
            told = [part.to(policy.device) for part in (nothing, never, never)]
            masks = policy.masks_of(observation)
            buffer.add(
                state,
                Transition(
                    observation,
                    step.actions,
                    starts.to(policy.device),
                    () if masks is None else masks,
                    step.decisions,
                    step.log_probs,
                    step.values,
                    *told,
                ),
            )
            state, starts = step.state, never
    buffer.finish()
    zeros = torch.zeros(length, ROWS, device=policy.device)
    buffer.set_targets(zeros, zeros, zeros)
    return buffer


@contextmanager
def _counting(policy: MemoryPolicy) -> Iterator[dict[int, int]]:
    """Note the bytes of all that is kept for the way back, by address, but for the weights."""
    weights = {leaf.untyped_storage().data_ptr() for leaf in (*policy.parameters(), *policy.buffers())}
    sizes: dict[int, int] = {}
    kept: list[Any] = []  # so that no address is used twice

    def note(values: Tensor) -> Tensor:
        storage = values.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
            kept.append(storage)
        return values

    with torch.autograd.graph.saved_tensors_hooks(note, lambda values: values):
        yield sizes


def _bytes(tree: State) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves(tree))
