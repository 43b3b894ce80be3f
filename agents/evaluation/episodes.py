"""Playing episodes to measure an agent, with its memory as it is or with an intervention."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.intervention import Intervention
from engram.agents.evaluation.interventions import make_intervention
from engram.agents.rollout.questions import (
    ends_by_itself,
    env_action_masks,
    has_attribute,
    layout_of,
    reset_infos,
    success_of,
)
from engram.agents.steps import AgentState

Record = tuple[bool, float, int, str, bool, bool, int, int, int]
Watch = Callable[[Any, AgentState, NDArray[np.bool_], NDArray[np.bool_] | None], None]
"""Gets observations, the agent's state, [B] which episodes start, [B] where the cue is in sight (None if unknown)."""


class Episodes(NamedTuple):
    """Finished episodes, one entry each, in order of the envs that played them."""

    success: NDArray[np.bool_]
    episode_return: NDArray[np.float64]
    length: NDArray[np.int64]
    layout: NDArray[np.object_]  # key of the layout, "" if the env reports none
    looked_again: NDArray[np.bool_]  # whether the cue came into sight again
    applied: NDArray[np.bool_]  # whether the intervention was done: some wait for an event that may not happen
    first_seen: NDArray[np.int64]  # checksum of the first observation: where it differs, it was another episode
    seen: NDArray[np.int64]  # checksum of all observations, in their order
    acted: NDArray[np.uint64]  # checksum of the actions, in their order
    cue_known: bool  # whether the env reports when the cue is in sight; if not, `looked_again` is False
    cut: int = 0  # episodes that did not end within the bound of steps; their env has played no other since


class CueTracker:
    """Follows in which episodes the cue is in sight, from `info["cue_visible"]` if the env reports it."""

    def __init__(self, env: VecEnv) -> None:
        self.env = env
        self.cue_known = all("cue_visible" in info for info in reset_infos(env))
        self.visible = self._of(reset_infos(env))
        self.left_behind, self.again = np.zeros(env.num_envs, dtype=bool), np.zeros(env.num_envs, dtype=bool)

    def step(self, infos: list[dict[str, Any]], starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add one step; return [B] whether the cue has come into sight again in the episode of each row.

        Args:
            infos: of the step.
            starts: [B] the step ended an episode, and the next one starts.
        """
        seen_before, visible = self.visible, self._of(infos)
        self.left_behind |= seen_before & ~visible
        self.again |= self.left_behind & visible
        again = self.again.copy()
        self.visible = np.where(starts, self._of(reset_infos(self.env)), visible)
        self.left_behind[starts] = self.again[starts] = False
        return again

    @staticmethod
    def _of(infos: list[dict[str, Any]]) -> NDArray[np.bool_]:
        told = (info.get("cue_visible", False) for info in infos)
        return np.array([bool(shown) if isinstance(shown, _YES_OR_NO) else bool(np.any(shown)) for shown in told])


def evaluate(
    model: MemoryPPO,
    env: VecEnv,
    n_episodes: int,
    deterministic: bool = True,
    intervention: str | Intervention = "intact",
    on_progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
    most_steps: int = 10_000,
) -> Episodes:
    """Play episodes, the same number in every env, so that short episodes do not count more often.

    Args:
        model: the agent.
        env: B envs; reset first.
        n_episodes: at least so many, rounded up to a multiple of B.
        deterministic: take the most likely actions instead of sampling.
        intervention: what is done to the agent's state while it plays, or its name in `INTERVENTIONS`.
        on_progress: called with (finished, total) whenever an episode ends.
        watch: called before every step, such as a `MemoryPanel`.
        most_steps: after which an episode is cut, and its env plays no more, where nobody knows that it ends; cut
            episodes are no success, and a warning says how many there were.

    Raises:
        ValueError: if `n_episodes` is less than 1, or the intervention is unknown, or it needs a cue that the env does
            not report.
    """
    if n_episodes < 1:
        raise ValueError(f"n_episodes={n_episodes} must be at least 1")
    with model.policy.unchanging():
        return _played(model, env, n_episodes, deterministic, intervention, on_progress, watch, most_steps)


def _played(
    model: MemoryPPO,
    env: VecEnv,
    n_episodes: int,
    deterministic: bool,
    intervention: str | Intervention,
    on_progress: Callable[[int, int], None] | None,
    watch: Watch | None,
    most_steps: int,
) -> Episodes:
    quota = -(-n_episodes // env.num_envs)
    records: list[list[Record | None]] = [[] for _ in range(env.num_envs)]
    returns, lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)
    observations: Any = env.reset()
    state = model.policy.initial_state(env.num_envs)
    starts = np.ones(env.num_envs, dtype=bool)
    first_seen = [_checksum(observations, row) for row in range(env.num_envs)]
    seen_so_far = first_seen.copy()
    acted_so_far = np.zeros(env.num_envs, dtype=np.uint64)
    cue = CueTracker(env)
    if isinstance(intervention, str):
        intervention = make_intervention(intervention, model.policy, env.num_envs)
    if intervention.needs_cue and not cue.cue_known:
        raise ValueError(f"{type(intervention).__name__} needs an env with info['cue_visible'] at every step")
    has_masks = has_attribute(env, "action_masks")
    finished, total = 0, quota * env.num_envs
    limit = None if ends_by_itself(env) else most_steps
    cut = 0
    while finished < total:
        masks = env_action_masks(env) if has_masks else None
        acted = intervention.before(state, starts, cue.visible)
        if watch is not None:
            watch(observations, acted, starts, cue.visible if cue.cue_known else None)
        step = partial(_step, model, observations, starts, deterministic, masks)
        actions, after = step(acted)
        state = intervention.after(state, acted, after, step)
        acted_so_far = _checksum_of_actions(acted_so_far, actions)
        observations, rewards, starts, infos = env.step(actions)
        looked_again = cue.step(infos, starts)
        returns += rewards
        lengths += 1
        applied = intervention.applied
        for row in np.flatnonzero(starts):
            info = infos[row]
            if len(records[row]) < quota and not info.get("reset_only"):
                # Monitor knows the return before any VecNormalize.
                episode_return = float(info.get("episode", {}).get("r", returns[row]))
                seen = first_seen[row], seen_so_far[row], int(acted_so_far[row])
                about = layout_of(info), bool(looked_again[row]), bool(applied[row])
                records[row].append((bool(success_of(info)), episode_return, int(lengths[row]), *about, *seen))
                finished += 1
                if on_progress is not None:
                    on_progress(finished, total)
            returns[row], lengths[row], acted_so_far[row] = 0.0, 0, 0
        for each in range(env.num_envs):
            seen_so_far[each] = _checksum(observations, each, 0 if starts[each] else seen_so_far[each])
            if starts[each]:
                first_seen[each] = seen_so_far[each]
        for row in np.flatnonzero(lengths >= limit) if limit is not None else ():
            if len(records[row]) < quota:
                total -= quota - len(records[row]) - 1
                seen = first_seen[row], seen_so_far[row], int(acted_so_far[row])
                about = "", bool(looked_again[row]), bool(applied[row])
                records[row].append((False, float(returns[row]), int(lengths[row]), *about, *seen))
                records[row] += [None] * (quota - len(records[row]))
                finished, cut = finished + 1, cut + 1
    if cut:
        warnings.warn(
            f"{cut} of {total} episodes had not ended after {most_steps:,} steps and were cut: the env has no limit of "
            "steps of its own (max_episode_steps)",
            stacklevel=2,
        )
    columns = zip(*(record for row in records for record in row if record is not None), strict=True)
    successes, gained, of_steps, layouts, again, done_to, begun, shown, did = (np.array(column) for column in columns)
    layouts, did = layouts.astype(np.object_), did.astype(np.uint64)
    return Episodes(successes, gained, of_steps, layouts, again, done_to, begun, shown, did, cue.cue_known, cut)


_YES_OR_NO = (bool, np.bool_)  # of which `np.any` would take long


def _checksum(observations: Any, row: int, before: int = 0) -> int:
    parts = observations.values() if isinstance(observations, dict) else [observations]
    return crc32(b"".join(part[row].tobytes() for part in parts), before)


def _checksum_of_actions(before: NDArray[np.uint64], actions: NDArray[Any]) -> NDArray[np.uint64]:
    """Return [B] checksums of one action more; as a polynomial of their bytes, which overflows on purpose."""
    for column in np.ascontiguousarray(actions).reshape(len(before), -1).view(np.uint8).T:
        before = before * np.uint64(1_099_511_628_211) + column + np.uint64(1)
    return before


def _step(
    model: MemoryPPO,
    observations: Any,
    starts: NDArray[np.bool_],
    deterministic: bool,
    masks: NDArray[np.bool_] | None,
    state: AgentState,
) -> tuple[NDArray[Any], AgentState]:
    return model.predict(observations, state, starts, deterministic, masks)
