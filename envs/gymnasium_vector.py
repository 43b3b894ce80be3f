"""A vector environment of Gymnasium as a VecEnv of Stable-Baselines3, whatever its way to begin the next episode."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from engram.envs.gymnasium_infos import infos_of, of_ended

Bools = npt.NDArray[np.bool_]


class GymnasiumVecEnv(VecEnv):
    """Steps a ``gymnasium.vector.VectorEnv``, of any of the three modes in which it may begin the next episode.

    ``metadata["autoreset_mode"]`` names the mode. Where episodes begin in the same step, or a reset takes a mask of
    those that ended, all is as in a ``DummyVecEnv`` of the same envs. Where a step of its own begins an episode (mode
    NEXT_STEP, no masks), that step is passed on as an episode of a single step whose info says ``reset_only``:
    ``MemoryPPO`` does not learn from it. Where the last observation of an episode is not told, there is no
    ``terminal_observation``, and nothing is bootstrapped from it.

    For the usual statistics of episodes put Stable-Baselines3's ``VecMonitor`` around it, or Gymnasium's
    ``RecordEpisodeStatistics`` around the vector environment. In the mode DISABLED take the first: the second takes a
    reset by a mask, which Gymnasium's own envs take out of the options, for one of all.

    Args:
        env: the vector environment.
        takes_reset_mask: whether ``reset(options={"reset_mask": [B] bool})`` resets some of them; by default that is
            known of Gymnasium's own that are in no wrapper, and of the mode DISABLED.

    Raises:
        ValueError: if it is no vector environment, or does not name its mode.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], takes_reset_mask: bool | None = None):
        _check_kind(env)
        mode = (env.metadata or {}).get("autoreset_mode")
        try:
            self._mode = AutoresetMode(mode)
        except ValueError as error:
            names = ", ".join(str(one.value) for one in AutoresetMode)
            raise ValueError(f"metadata['autoreset_mode'] is {mode!r}: it must name one of {names}") from error
        self._bare: Any = env.unwrapped  # answers questions about its envs, which wrappers do not pass on
        self._is_of_gymnasium = isinstance(self._bare, SyncVectorEnv | AsyncVectorEnv)
        if takes_reset_mask is None:
            # A wrapper may refuse a mask (NormalizeObservation), or take it for a reset of all.
            own = self._is_of_gymnasium and self._bare is env
            takes_reset_mask = self._mode == AutoresetMode.DISABLED or own
        self._resets_by_mask = takes_reset_mask and self._mode != AutoresetMode.SAME_STEP
        self.resets_take_a_step = self._mode == AutoresetMode.NEXT_STEP and not takes_reset_mask
        self.env = env
        self.begins = np.zeros(env.num_envs, dtype=bool)  # whose next step is the reset
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        seeds: Any = list(self._seeds) if any(seed is not None for seed in self._seeds) else None
        if seeds and not self._is_of_gymnasium:
            seeds = seeds[0]  # an env that is one object takes one
        observations, infos = self.env.reset(seed=seeds)
        self._reset_seeds()
        self.begins[:] = False
        self.reset_infos = infos_of(infos, self.num_envs)
        first: VecEnvObs = _copied(observations)
        return first

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        observations = _copied(observations)
        terminated, truncated = np.array(terminated, dtype=bool), np.array(truncated, dtype=bool)
        dones = terminated | truncated
        of_rows = infos_of(infos, self.num_envs)
        begun = self.begins.copy()
        for row in np.flatnonzero(dones).tolist():
            if self._mode == AutoresetMode.SAME_STEP:
                last, of_rows[row], self.reset_infos[row] = of_ended(of_rows[row])
            else:
                last = _row(observations, row)
            if last is not None:
                of_rows[row] = {**of_rows[row], "terminal_observation": last}
        for row, info in enumerate(of_rows):
            info["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        if self._resets_by_mask and dones.any():
            observations, reset_infos = self.env.reset(options={"reset_mask": dones})
            observations, of_resets = _copied(observations), infos_of(reset_infos, self.num_envs)
            for row in np.flatnonzero(dones).tolist():
                self.reset_infos[row] = of_resets[row]
        elif self.resets_take_a_step:
            for row in np.flatnonzero(begun).tolist():
                self.reset_infos[row] = of_rows[row]
                of_rows[row] = {"reset_only": True, "TimeLimit.truncated": False}
            self.begins = dones
            dones = dones | begun
        return observations, np.asarray(rewards, dtype=np.float32), dones, of_rows

    def close(self) -> None:
        self.env.close()

    def has_attr(self, attr_name: str) -> bool:
        """Return whether all envs have an attribute: a worker that is asked for one that it lacks ends."""
        if self._is_of_gymnasium:
            return all(self._bare.call("has_wrapper_attr", attr_name))
        return super().has_attr(attr_name)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        if attr_name == "render_mode":
            return [self.env.render_mode for _ in self._get_indices(indices)]
        self._check_attribute(attr_name)
        found = self._bare.get_attr(attr_name)
        return [found[row] for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        if indices is not None:
            raise NotImplementedError("a vector env of Gymnasium sets attributes of all its envs")
        self._bare.set_attr(attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        self._check_attribute(method_name)
        results = self._bare.call(method_name, *args, **kwargs)
        return [results[row] for row in self._get_indices(indices)]

    def _check_attribute(self, name: str) -> None:
        if self._is_of_gymnasium and not self.has_attr(name):
            raise AttributeError(f"not all envs of {self.env} have an attribute {name!r}")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]


def _check_kind(env: object) -> None:
    """Refuse what is no vector environment.

    Raises:
        ValueError: one line that says what to do instead.
    """
    if isinstance(env, VecEnv):
        raise ValueError(f"GymnasiumVecEnv: {type(env).__name__} is a VecEnv already; give it to the agent as it is")
    if not hasattr(env, "single_observation_space"):
        one = "a single env; give it to the agent as it is" if isinstance(env, gym.Env) else "no env of Gymnasium"
        raise ValueError(f"GymnasiumVecEnv: {type(env).__name__} is {one}, or make many of it by gym.make_vec")


def _row(observations: Any, row: int) -> Any:
    if isinstance(observations, dict):
        return {key: part[row].copy() for key, part in observations.items()}
    return observations[row].copy()


def _copied(observations: Any) -> Any:
    """Copy observations: a vector env may fill the same arrays again at its next step."""
    if isinstance(observations, dict):
        return {key: np.array(part) for key, part in observations.items()}
    return np.array(observations)
