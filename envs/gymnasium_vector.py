"""A vector environment of Gymnasium as a VecEnv of Stable-Baselines3, whatever its way to begin the next episode."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

Bools = npt.NDArray[np.bool_]


class GymnasiumVecEnv(VecEnv):
    """Steps a ``gymnasium.vector.VectorEnv``, of any of the three modes in which it may begin the next episode.

    ``metadata["autoreset_mode"]`` names the mode. Where episodes begin in the same step, or a reset takes a mask of
    those that ended, all is as in a ``DummyVecEnv`` of the same envs. Where a step of its own begins an episode (mode
    NEXT_STEP, no masks), that step is passed on as an episode of a single step whose info says ``reset_only``:
    ``MemoryPPO`` does not learn from it.

    For the usual statistics of episodes put Stable-Baselines3's ``VecMonitor`` around it.

    Args:
        env: the vector environment.
        takes_reset_mask: whether ``reset(options={"reset_mask": [B] bool})`` resets some of them; by default that is
            known of Gymnasium's own, and of the mode DISABLED.

    Raises:
        ValueError: if the environment does not name its mode.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], takes_reset_mask: bool | None = None):
        mode = (env.metadata or {}).get("autoreset_mode")
        try:
            self._mode = AutoresetMode(mode)
        except ValueError as error:
            names = ", ".join(str(one.value) for one in AutoresetMode)
            raise ValueError(f"metadata['autoreset_mode'] is {mode!r}: it must name one of {names}") from error
        if takes_reset_mask is None:
            own = isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
            takes_reset_mask = self._mode == AutoresetMode.DISABLED or own
        self._resets_by_mask = takes_reset_mask and self._mode != AutoresetMode.SAME_STEP
        self.resets_take_a_step = self._mode == AutoresetMode.NEXT_STEP and not takes_reset_mask
        self.env = env
        self._own: Any = env  # Gymnasium's own answer questions about their envs; others may not
        self._begins = np.zeros(env.num_envs, dtype=bool)  # whose next step is the reset
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        seeds: Any = list(self._seeds) if any(seed is not None for seed in self._seeds) else None
        observations, infos = self.env.reset(seed=seeds)
        self._reset_seeds()
        self._begins[:] = False
        self.reset_infos = [info_of(infos, row) for row in range(self.num_envs)]
        first: VecEnvObs = _copied(observations)
        return first

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        observations = _copied(observations)
        terminated, truncated = np.array(terminated, dtype=bool), np.array(truncated, dtype=bool)
        dones = terminated | truncated
        of_rows: list[dict[str, Any]] = [info_of(infos, row) for row in range(self.num_envs)]
        begun = self._begins.copy()
        for row in np.flatnonzero(dones).tolist():
            if self._mode == AutoresetMode.SAME_STEP:
                self.reset_infos[row] = of_rows[row]
                last, of_rows[row] = of_rows[row].pop("final_obs"), of_rows[row].pop("final_info")
            else:
                last = _row(observations, row)
            of_rows[row] = {**of_rows[row], "terminal_observation": last}
        for row, info in enumerate(of_rows):
            info["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        if self._resets_by_mask and dones.any():
            observations, reset_infos = self.env.reset(options={"reset_mask": dones})
            observations = _copied(observations)
            for row in np.flatnonzero(dones).tolist():
                self.reset_infos[row] = info_of(reset_infos, row)
        elif self.resets_take_a_step:
            for row in np.flatnonzero(begun).tolist():
                self.reset_infos[row] = of_rows[row]
                of_rows[row] = {"reset_only": True, "TimeLimit.truncated": False}
            self._begins = dones
            dones = dones | begun
        return observations, np.asarray(rewards, dtype=np.float32), dones, of_rows

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        if attr_name == "render_mode":
            return [self.env.render_mode for _ in self._get_indices(indices)]
        found = self._own.get_attr(attr_name)
        return [found[row] for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        if indices is not None:
            raise NotImplementedError("a vector env of Gymnasium sets attributes of all its envs")
        self._own.set_attr(attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        results = self._own.call(method_name, *args, **kwargs)
        return [results[row] for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]


def info_of(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """Return one env's info out of those of a vector env, in which ``_key`` says which envs have a ``key``."""
    info = {}
    for key, values in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        has_it = infos.get(f"_{key}")
        if has_it is not None and not has_it[row]:
            continue
        info[key] = info_of(values, row) if isinstance(values, dict) else values[row]
    return info


def _row(observations: Any, row: int) -> Any:
    if isinstance(observations, dict):
        return {key: part[row].copy() for key, part in observations.items()}
    return observations[row].copy()


def _copied(observations: Any) -> Any:
    """Copy observations: a vector env may fill the same arrays again at its next step."""
    if isinstance(observations, dict):
        return {key: np.array(part) for key, part in observations.items()}
    return np.array(observations)
