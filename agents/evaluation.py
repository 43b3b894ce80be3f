"""Playing episodes to measure an agent, with its memory left alone or intervened on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from stable_baselines3.common.vec_env import VecEnv

from agents.policy import AgentState, MemoryPolicy
from agents.ppo import MemoryPPO
from agents.rollout import env_action_masks

Intervention = Literal["intact", "wiped", "controller_wiped", "both_wiped"]


class Episodes(NamedTuple):
    """Finished episodes, one entry each, in order of the envs that played them."""

    success: NDArray[np.bool_]
    episode_return: NDArray[np.float64]
    length: NDArray[np.int64]
    layout: NDArray[np.object_]  # key of the layout, "" if the env tells none


def intervene(policy: MemoryPolicy, state: AgentState, intervention: Intervention) -> AgentState:
    """Return the state that the agent is left with before a step.

    Args:
        policy: whose state it is.
        state: leaves [B, ...].
        intervention: "wiped" empties the memory, "controller_wiped" forgets the controller's state, "both_wiped" does
            both; the previous action is an input and stays.

    Raises:
        ValueError: if there is no such intervention.
    """
    if intervention not in get_args(Intervention):
        raise ValueError(f"unknown intervention '{intervention}'; choose one of {', '.join(get_args(Intervention))}")
    core = state.core
    if intervention in ("wiped", "both_wiped"):
        core = core._replace(memory=policy.core.memory.wiped(core.memory))
    if intervention in ("controller_wiped", "both_wiped"):
        core = core._replace(controller=policy.core.controller.initial_state(len(state.previous_action)))
    return state if core is state.core else state._replace(core=core)


def evaluate(
    model: MemoryPPO,
    env: VecEnv,
    n_episodes: int,
    deterministic: bool = True,
    intervention: Intervention = "intact",
    on_progress: Callable[[int, int], None] | None = None,
) -> Episodes:
    """Play episodes, the same number in every env, so that short episodes do not count more often.

    Args:
        model: the agent.
        env: B envs; reset first.
        n_episodes: at least so many, rounded up to a multiple of B.
        deterministic: take the most likely actions instead of sampling.
        intervention: done to the state before every step.
        on_progress: called with (finished, total) whenever an episode ends.
    """
    if n_episodes < 1:
        raise ValueError(f"n_episodes={n_episodes} must be at least 1")
    quota = -(-n_episodes // env.num_envs)
    records: list[list[tuple[bool, float, int, str]]] = [[] for _ in range(env.num_envs)]
    returns, lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)
    observations: Any = env.reset()
    state = model.policy.initial_state(env.num_envs)
    starts = np.ones(env.num_envs, dtype=bool)
    has_masks = env.has_attr("action_masks")
    finished, total = 0, quota * env.num_envs
    while finished < total:
        masks = env_action_masks(env) if has_masks else None
        state = intervene(model.policy, state, intervention)
        actions, state = model.predict(observations, state, starts, deterministic, masks)
        observations, rewards, starts, infos = env.step(actions)
        returns += rewards
        lengths += 1
        for row in np.flatnonzero(starts):
            info = infos[row]
            if len(records[row]) < quota:
                # Monitor knows the return before any VecNormalize.
                episode_return = float(info.get("episode", {}).get("r", returns[row]))
                success = bool(info.get("is_success", False))
                records[row].append((success, episode_return, int(lengths[row]), str(info.get("layout", ""))))
                finished += 1
                if on_progress is not None:
                    on_progress(finished, total)
            returns[row], lengths[row] = 0.0, 0
    columns = list(zip(*(record for row in records for record in row), strict=True))
    return Episodes(
        np.array(columns[0]), np.array(columns[1]), np.array(columns[2]), np.array(columns[3], dtype=object)
    )


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a success probability."""
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
