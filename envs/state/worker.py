"""The state of an env in a process of its own: written there, and read there."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv

from engram.envs.state.plain.reading import as_list, refused
from engram.envs.state.plain.writing import Plain
from engram.envs.state.single import Restored, env_state, restore_env

_ASKED, _TOLD = "state_in_episode", "restore_in_episode"


class Asked(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Answers a ``SubprocVecEnv`` that asks for the state of an env, or sets it; changes nothing else.

    Args:
        env: any env.
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._reset_info: dict[str, Any] = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, self._reset_info = self.env.reset(seed=seed, options=options)
        return observation, self._reset_info

    def state_in_episode(self) -> Plain:
        """Return the state of the env; see `env_state`."""
        return env_state(self.env)

    def restore_in_episode(self, state: Any, reset_info: dict[str, Any]) -> Restored | str:
        """Do as `restore_env`, or return why it cannot be done: an error would end the process.

        Args:
            state: what `state_in_episode` returned.
            reset_info: what the reset of the episode has told.
        """
        try:
            with refused():
                restored = restore_env(self.env, state)
        except ValueError as error:
            return str(error)
        # The process holds this very dictionary, and sends it again at every step.
        self._reset_info.clear()
        self._reset_info.update(reset_info if restored.begun is None else restored.begun[1])
        return restored


def workers_state(vec_env: SubprocVecEnv) -> list[Plain] | None:
    """Return the state of each env; None if their processes cannot be asked."""
    states: list[Plain] | None = vec_env.env_method(_ASKED) if vec_env.has_attr(_ASKED) else None
    return states


def restore_workers(vec_env: SubprocVecEnv, states: Any, reset_infos: list[dict[str, Any]]) -> list[Restored]:
    """Bring each env to where another one stood; see `restore_env`.

    Args:
        vec_env: B envs; begins an episode in each.
        states: of B envs, from `workers_state`.
        reset_infos: of B envs.

    Raises:
        ValueError: if these are not states of such envs.
    """
    if not vec_env.has_attr(_TOLD) or len(as_list(states)) != vec_env.num_envs:
        raise ValueError(f"there are {vec_env.num_envs} envs of make_vec_env needed, and a state of each")
    vec_env.reset()
    restored = []
    for row, (state, info) in enumerate(zip(states, reset_infos, strict=True)):
        (found,) = vec_env.env_method(_TOLD, state, info, indices=row)
        if isinstance(found, str):
            raise ValueError(found)
        restored.append(found)
    return restored
