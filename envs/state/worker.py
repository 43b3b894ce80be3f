"""The state of an env in a process of its own: written there, and read there."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv

from engram.envs.state.plain.reading import refused
from engram.envs.state.plain.writing import Plain
from engram.envs.state.single import Restored, env_state, restore_env

_ASKED, _TOLD = "state_in_episode", "restore_in_episode"


def let_be_asked(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Give an env two methods by which a ``SubprocVecEnv`` asks for its state, and sets it; return it."""
    setattr(env, _ASKED, partial(env_state, env))
    setattr(env, _TOLD, partial(_restored_or_reason, env))
    return env


def can_be_asked(vec_env: SubprocVecEnv) -> bool:
    """Return whether the envs were given these methods."""
    return bool(vec_env.has_attr(_ASKED))


def states_in_workers(vec_env: SubprocVecEnv) -> list[Plain]:
    """Return the state of each env; see `env_state`."""
    states: list[Plain] = vec_env.env_method(_ASKED)
    return states


def restore_in_worker(vec_env: SubprocVecEnv, row: int, state: Any) -> Restored:
    """Bring one env to where another one stood; see `restore_env`.

    Raises:
        ValueError: if it is not the state of such an env.
    """
    (restored,) = vec_env.env_method(_TOLD, state, indices=row)
    if isinstance(restored, str):
        raise ValueError(restored)
    assert isinstance(restored, Restored)
    return restored


def _restored_or_reason(env: gym.Env[Any, Any], state: Any) -> Restored | str:
    """Return what `restore_env` does, or why it cannot: an error would end the worker."""
    try:
        with refused():
            return restore_env(env, state)
    except ValueError as error:
        return str(error)
