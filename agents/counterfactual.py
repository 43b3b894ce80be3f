"""What if some of it had never been stored: an episode played back with the writes of some steps undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution

from agents.policy import AgentState, MemoryPolicy
from agents.recording import Recording
from memory import reset, tree_map


class Effects(NamedTuple):
    """How the agent would have decided at every step of the recorded episode, [T] or [G, T] for G sets of steps."""

    probability: NDArray[np.float64]  # [T] of the action that it took
    value: NDArray[np.float64]  # [T]
    probability_without: NDArray[np.float64]  # [G, T] of the same action
    value_without: NDArray[np.float64]  # [G, T]
    action_without: NDArray[np.int64]  # [G, T] the most likely one then; -1 if actions are not discrete

    @property
    def probability_change(self) -> NDArray[np.float64]:
        """[G, T]."""
        return self.probability_without - self.probability


@torch.no_grad()
def without(
    policy: MemoryPolicy,
    recording: Recording,
    forgotten: Sequence[Sequence[int]],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Effects:
    """Play an episode back, once for each set of steps whose events are never stored.

    Observations and actions stay as they were recorded, and so do the memory's decisions, such as which slot was taken:
    what changes is only what the memory holds. It works for every memory by `Memory.unwritten`.

    Args:
        policy: the agent.
        recording: the episode.
        forgotten: G sets of steps.
        on_progress: called with (steps done, steps in all).
    """
    policy.set_training_mode(False)
    rows, length, device = len(forgotten) + 1, len(recording.steps), policy.device  # row 0: nothing is forgotten
    undone = torch.zeros(length, rows, dtype=torch.bool, device=device)
    for row, steps in enumerate(forgotten, start=1):
        undone[list(steps), row] = True
    any_undone = undone.any(1).tolist()
    state = policy.initial_state(rows)
    probabilities, values, actions = [], [], []
    for time, step in enumerate(recording.steps):
        observation, writes = (
            tree_map(lambda leaf: leaf.expand(rows, *leaf.shape[1:]), tree) for tree in (step.observation, step.writes)
        )
        starts = torch.full((rows,), time == 0, device=device)
        _, unrolled = policy.unroll_step(observation, state, starts, writes)
        features, after = unrolled.features[0], unrolled.state
        mask = None if step.mask is None else step.mask.expand(rows, -1)
        distribution = policy.distribution(features, observation, mask)
        action = step.action.expand(rows, *step.action.shape[1:])
        probabilities.append(distribution.log_prob(action).exp())
        values.append(policy.value(features))
        best = distribution.get_actions(deterministic=True)
        discrete = isinstance(distribution, CategoricalDistribution)
        actions.append(best if discrete else torch.full((rows,), -1, device=device))
        if any_undone[time]:
            memory = policy.core.memory
            before = reset(state.core.memory, memory.initial_state(rows), starts)
            after = after._replace(memory=reset(after.memory, memory.unwritten(before, after.memory), undone[time]))
        state = AgentState(after, policy.stored_action.store(action))
        on_progress(time + 1, length)
    probability, value = (
        torch.stack(probabilities, 1).double().cpu().numpy(),
        torch.stack(values, 1).double().cpu().numpy(),
    )
    return Effects(probability[0], value[0], probability[1:], value[1:], torch.stack(actions, 1).cpu().numpy()[1:])
