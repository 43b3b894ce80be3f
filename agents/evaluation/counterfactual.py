"""What if it had never been stored, or something else in its place: an episode played back with other memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from engram.agents.encoder import Event
from engram.agents.evaluation.recording import Recording
from engram.agents.policy import AgentState, MemoryPolicy
from engram.memory import State, reset, tree_map
from engram.memory.episodic.edit import happened_at, replaced
from engram.memory.episodic.memory import EpisodicMemory, EpisodicState
from engram.memory.state import concatenate

Change: TypeAlias = "Mapping[int, State | None]"
"""Steps, each with the observation (leaves [1, ...]) that its event shows instead; None if it is never stored."""


class CounterfactualEffects(NamedTuple):
    """How the agent would have decided at every step of the recorded episode, [T] or [G, T] for G changes."""

    likelihood: NDArray[np.float64]  # [T] probability of the action that it took; log of its density if continuous
    value: NDArray[np.float64]  # [T]
    likelihood_then: NDArray[np.float64]  # [G, T] of the same action
    value_then: NDArray[np.float64]  # [G, T]
    action_then: NDArray[np.float64]  # [G, T] or [G, T, A] the most likely one then, as the distribution gives it

    @property
    def likelihood_change(self) -> NDArray[np.float64]:
        """[G, T]."""
        return self.likelihood_then - self.likelihood


def is_density(policy: MemoryPolicy) -> bool:
    """Tell whether the likelihood of an agent's actions is the log of a density, and not a probability."""
    return isinstance(policy.action_space, spaces.Box)


def holds_events(policy: MemoryPolicy) -> bool:
    """Tell whether an agent's memory holds events, which can be replaced and not only deleted."""
    return isinstance(policy.core.memory, EpisodicMemory)


@torch.no_grad()
def changed(
    policy: MemoryPolicy,
    recording: Recording,
    changes: Sequence[Change],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CounterfactualEffects:
    """Play an episode back, once for each change of what is stored.

    Observations and actions stay as they were recorded, and so do the memory's decisions, such as which slot was taken:
    what changes is only what the memory holds. Deleting works for every memory, by `Memory.unwritten`.

    Args:
        policy: the agent.
        recording: the episode.
        changes: G of them.
        on_progress: called with (steps done, steps in all).

    Raises:
        ValueError: if something is to be replaced in a memory that holds no events.
    """
    if not holds_events(policy) and any(seen is not None for change in changes for seen in change.values()):
        name = type(policy.core.memory).__name__
        raise ValueError(f"only in an episodic memory can an event be replaced, and not in {name}: delete it")
    policy.set_training_mode(False)
    played: list[Change] = [{}, *changes]  # row 0: nothing is changed
    rows, length, device = len(played), len(recording.steps), policy.device
    state = policy.initial_state(rows)
    likelihoods, values, actions = [], [], []
    for time, step in enumerate(recording.steps):
        observation, decisions = (
            tree_map(lambda leaf: leaf.expand(rows, *leaf.shape[1:]), tree)
            for tree in (step.observation, step.decisions)
        )
        starts = torch.full((rows,), time == 0, device=device)
        events, unrolled = policy.unroll_step(observation, state, starts, decisions)
        features, after = unrolled.features[0], unrolled.state
        mask = None if step.mask is None else step.mask.expand(rows, -1)
        distribution = policy.distribution(features, observation, mask)
        action = step.action.expand(rows, *step.action.shape[1:])
        log_prob = distribution.log_prob(action)
        likelihoods.append(log_prob if is_density(policy) else log_prob.exp())
        values.append(policy.value(features))
        actions.append(distribution.get_actions(deterministic=True))
        here = {row: change[time] for row, change in enumerate(played) if time in change}
        if here:
            memory = policy.core.memory
            gone = torch.tensor([here.get(row, ...) is None for row in range(rows)], device=device)
            before = reset(state.core.memory, memory.initial_state(rows), starts)
            held = reset(after.memory, memory.unwritten(before, after.memory), gone)
            others = {row: seen for row, seen in here.items() if seen is not None}
            if others:
                held = _exchanged(held, time, tree_map(lambda leaf: leaf[0], events), others)
            after = after._replace(memory=held)
        state = AgentState(after, policy.stored_action.store(action))
        on_progress(time + 1, length)
    likelihood, value, action_then = (
        torch.stack(steps, 1).double().cpu().numpy() for steps in (likelihoods, values, actions)
    )
    return CounterfactualEffects(likelihood[0], value[0], likelihood[1:], value[1:], action_then[1:])


def _exchanged(memory: EpisodicState, time: int, event: Event, others: Mapping[int, State]) -> EpisodicState:
    """Let the event (leaves [B, ...]) of a step show another observation in some rows, where it is stored at all."""
    seen = [others.get(row) for row in range(len(memory.birth))]
    observation = concatenate(
        [
            tree_map(lambda leaf, row=row: leaf[row : row + 1], event.observation) if one is None else one
            for row, one in enumerate(seen)
        ]
    )
    steps = torch.full((len(seen), 1), time, device=memory.birth.device)
    return replaced(memory, happened_at(memory, steps), event._replace(observation=observation))
