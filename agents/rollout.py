"""Collecting experience: the agent plays B envs for T steps and all observations, actions and writes are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from engram.agents.actor_critic import AgentState
from engram.agents.buffer import ChunkBuffer, Transition
from engram.agents.novelty import EpisodicNovelty
from engram.agents.policy import MemoryPolicy
from engram.agents.returns import next_values
from engram.agents.spaces import observation_tree
from engram.memory import Cache, State, tree_map
from engram.memory.state import concatenate


class RolloutCursor(NamedTuple):
    """Where the collection goes on after a rollout."""

    observations: Any  # as the VecEnv returned them
    episode_starts: NDArray[np.bool_]  # [B]
    state: AgentState


class Rollout(NamedTuple):
    """What is known after T steps, beside what the buffer holds."""

    following: Tensor  # [T, B] value of what follows each step
    first_visits: NDArray[np.bool_]  # [T, B] first visits, see `EpisodicNovelty`
    trace: dict[str, float]  # name -> mean over the rollout


class Truncation(NamedTuple):
    """Episodes truncated at one step: their value is that of the final observation, with the memory after the step."""

    time: int
    rows: NDArray[np.int64]  # [X]
    observation: State  # [X, ...]
    state: AgentState  # [X, ...]


def env_action_masks(env: VecEnv) -> NDArray[np.bool_] | None:
    """Return the actions that the envs allow [B, A], or None if they have no `action_masks()`."""
    return np.stack(env.env_method("action_masks")).astype(bool) if env.has_attr("action_masks") else None


@torch.no_grad()
def collect(
    policy: MemoryPolicy,
    env: VecEnv,
    cursor: RolloutCursor,
    buffer: ChunkBuffer,
    novelty: EpisodicNovelty,
    n_steps: int,
    on_step: Callable[[dict[str, Any]], bool],
) -> tuple[RolloutCursor, Rollout | None]:
    """Play `n_steps` steps and fill the buffer.

    Args:
        policy: the agent; it samples its actions.
        env: B envs.
        cursor: where to go on.
        buffer: emptied and filled.
        novelty: is given every observation.
        n_steps: T.
        on_step: called after each step with the names that SB3's callbacks expect; False ends the collection.

    Returns:
        where to go on, and the rollout, or None if `on_step` ended it early.

    Raises:
        FloatingPointError: if a reward is not finite, which would make all weights so, too.
    """
    device, space = policy.device, policy.observation_space
    observations, starts, state = cursor
    novelty(observations, starts)  # only the first observations of a training are new to it
    has_masks = env.has_attr("action_masks")
    cache: Cache | None = None  # the weights have changed since the last rollout
    cuts: list[Truncation] = []
    first_visits: list[NDArray[np.bool_]] = []
    traces: dict[str, list[Tensor]] = {}
    buffer.reset()
    for time in range(n_steps):
        observation = observation_tree(observations, space, device)
        episode_start = torch.as_tensor(starts, dtype=torch.bool, device=device)
        masks = torch.as_tensor(env_action_masks(env), device=device) if has_masks else None
        step = policy.act(observation, state, episode_start, action_masks=masks, cache=cache)
        actions = policy.env_actions(step.actions)
        new_observations, rewards, dones, infos = env.step(actions)
        if not np.isfinite(rewards).all():
            row = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise FloatingPointError(f"env {row} gave a reward of {rewards[row]}: nothing can be learned from it")
        dones = dones.copy()  # an env may fill the same array again at its next step
        truncated = np.zeros_like(dones)
        for row in np.flatnonzero(dones).tolist():
            truncated[row] = infos[row].get("TimeLimit.truncated", False)
        for name, values in step.trace.items():
            traces.setdefault(name, []).append(values)
        names = {"actions": actions, "new_obs": new_observations, "rewards": rewards, "dones": dones, "infos": infos}
        if not on_step({**names, "episode_starts": starts, "trace": step.trace}):
            return RolloutCursor(new_observations, dones, step.state), None
        buffer.add(
            state,
            Transition(
                observation,
                step.actions,
                episode_start,
                () if masks is None else masks,
                step.decisions,
                step.log_probs,
                step.values,
                torch.tensor(rewards, dtype=torch.float32, device=device),
                torch.as_tensor(dones & ~truncated, device=device),
                torch.as_tensor(truncated, device=device),
            ),
        )
        if truncated.any():
            cuts.append(_cut(time, truncated, infos, step.state, policy))
        first_visits.append(novelty(new_observations, dones))
        observations, starts, state, cache = new_observations, dones, step.state, step.cache

    rollout = buffer.finish()
    last_values = policy.values_of(
        observation_tree(observations, space, device),
        state,
        torch.as_tensor(starts, dtype=torch.bool, device=device),
        cache,  # for the last time: the weights will change
    )
    following = next_values(
        rollout.values,
        last_values,
        rollout.terminated,
        rollout.truncated,
        _values_of_cuts(cuts, rollout.values, policy),
    )
    means = {name: torch.stack(values).mean().item() for name, values in traces.items()}
    return RolloutCursor(observations, starts, state), Rollout(following, np.stack(first_visits), means)


def _cut(
    time: int, truncated: NDArray[np.bool_], infos: list[dict[str, Any]], state: AgentState, policy: MemoryPolicy
) -> Truncation:
    rows = np.flatnonzero(truncated)
    final = [infos[row]["terminal_observation"] for row in rows]
    stacked: Any = (
        np.stack(final)
        if not isinstance(final[0], dict)
        else {key: np.stack([observation[key] for observation in final]) for key in final[0]}
    )
    index = torch.as_tensor(rows, device=policy.device)
    observation = observation_tree(stacked, policy.observation_space, policy.device)
    return Truncation(time, rows, observation, tree_map(lambda leaf: leaf[index], state))


def _values_of_cuts(cuts: list[Truncation], values: Tensor, policy: MemoryPolicy) -> Tensor:
    """Value the truncated episodes of a rollout, all in one batch; zeros [T, B] elsewhere."""
    result = torch.zeros_like(values)
    if not cuts:
        return result
    observation = concatenate([cut.observation for cut in cuts])
    state = concatenate([cut.state for cut in cuts])
    rows = np.concatenate([cut.rows for cut in cuts])
    times = np.repeat([cut.time for cut in cuts], [len(cut.rows) for cut in cuts])
    starts = torch.zeros(len(rows), dtype=torch.bool, device=values.device)
    result[torch.as_tensor(times), torch.as_tensor(rows)] = policy.values_of(observation, state, starts)
    return result
