"""Wrappers of Stable-Baselines3 around a VecEnv: what they hold, and how they show a single observation."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import (
    VecCheckNan,
    VecEnvWrapper,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)
from stable_baselines3.common.vec_env.stacked_observations import StackedObservations

from engram.envs.state.places import Places

_WITHOUT_STATE = (VecCheckNan, VecExtractDictObs, VecTransposeImage)


def places_of(wrapper: VecEnvWrapper) -> Places | None:
    """Return where a wrapper holds what changes from step to step; None if it is of an unknown kind."""
    match wrapper:
        case VecNormalize():
            return {**_statistics(wrapper), "returns": (wrapper, "returns")}
        case VecFrameStack():
            return {name: (stack, "stacked_obs") for name, stack in _stacks(wrapper).items()}
        case VecMonitor():
            names = ("episode_returns", "episode_lengths", "episode_count")
            return {name: (wrapper, name) for name in names}
    return {} if isinstance(wrapper, _WITHOUT_STATE) else None


def begin_row(wrapper: VecEnvWrapper, row: int, observation: Any) -> Any:
    """Let a wrapper begin a new episode in one row, as it would at a reset.

    Args:
        wrapper: of a kind that `places_of` knows; others show what is shown to them.
        row: number of the env.
        observation: the first, as it is shown to the wrapper.

    Returns:
        It, as the wrapper shows it.
    """
    match wrapper:
        case VecNormalize():
            wrapper.returns[row] = 0.0
            return _without_axis(wrapper.normalize_obs(_with_axis(observation)))
        case VecMonitor():
            wrapper.episode_returns[row] = wrapper.episode_lengths[row] = 0
        case VecTransposeImage():
            return _without_axis(wrapper.transpose_observations(_with_axis(observation)))
        case VecExtractDictObs():
            return observation[wrapper.key]
        case VecFrameStack():
            shown = {
                name: _stacked(stack, row, observation[name] if name else observation)
                for name, stack in _stacks(wrapper).items()
            }
            return shown if isinstance(observation, dict) else shown[""]
    return observation


def _statistics(wrapper: VecNormalize) -> Places:
    of_observations = getattr(wrapper, "obs_rms", None) or {}
    if isinstance(of_observations, RunningMeanStd):
        of_observations = {"": of_observations}
    named = {f"obs_rms {key}".strip(): one for key, one in of_observations.items()} | {"ret_rms": wrapper.ret_rms}
    return {f"{name} {part}": (one, part) for name, one in named.items() for part in ("mean", "var", "count")}


def _stacks(wrapper: VecFrameStack) -> dict[str, StackedObservations[Any]]:
    """Return what stacks each part of the observation; it has the name "" if there are no parts."""
    stacks: StackedObservations[Any] = wrapper.stacked_obs
    parts: dict[str, StackedObservations[Any]] = getattr(stacks, "sub_stacked_observations", {"": stacks})
    return parts


def _stacked(stack: StackedObservations[Any], row: int, observation: Any) -> Any:
    """Put the first observation of an episode on top of an empty stack."""
    rows: Any = stack.stacked_obs
    rows[row] = 0
    depth = observation.shape[0 if stack.channels_first else -1]
    if stack.channels_first:
        rows[row][-depth:] = observation
    else:
        rows[row][..., -depth:] = observation
    return rows[row].copy()


def _with_axis(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: np.asarray(part)[None] for key, part in observation.items()}
    return np.asarray(observation)[None]


def _without_axis(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: part[0] for key, part in observations.items()}
    return observations[0]
