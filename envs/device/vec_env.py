"""Envs on a device as Stable-Baselines3 knows envs, and by tensors for who can do without arrays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn
from torch import Tensor

from engram.envs.device.tensor_env import Observations, TensorEnv, TensorStep


class TensorVecEnv(VecEnv):
    """A `TensorEnv` as a ``VecEnv``, monitored as by Stable-Baselines3's ``Monitor``.

    `MemoryPPO` steps it by `step_tensors`, and asks for `ended_episodes` once per rollout. Who calls ``step`` gets
    arrays and infos.

    Args:
        env: B envs; not stepped by anybody else.
    """

    def __init__(self, env: TensorEnv) -> None:
        self.env = env
        self.layouts_seen: set[str] = set()
        self._started = time.time()
        # Of the episodes that are played: what was paid so far, and their steps.
        self.returns = torch.zeros(env.n_envs, dtype=torch.float64, device=env.device)
        self.lengths = torch.zeros(env.n_envs, dtype=torch.int64, device=env.device)
        # Of the steps since `ended_episodes`: ended, success, return, length and number of the layout, [B] each.
        self.steps_not_told: list[tuple[Tensor, ...]] = []
        self.episodes_ended = np.zeros(env.n_envs, dtype=np.int64)
        super().__init__(env.n_envs, env.observation_space, env.action_space)

    def reset(self) -> VecEnvObs:
        observations, cue_visible = self.env.reset()
        self.reset_infos = [{"cue_visible": visible} for visible in cue_visible.tolist()]
        self.returns.zero_()
        self.lengths.zero_()
        self.steps_not_told.clear()
        return _arrays(observations)

    def step_tensors(self, actions: Tensor) -> TensorStep:
        """Take one step in every env, and ask nothing of the device; `actions` are [B] int64."""
        layouts = self.env.layout_numbers().clone()
        step = self.env.step(actions.to(self.env.device))
        self.returns += step.rewards
        self.lengths += 1
        ended = step.terminated | step.truncated
        self.steps_not_told.append((ended, step.successes, self.returns.clone(), self.lengths.clone(), layouts))
        self.returns.masked_fill_(ended, 0)
        self.lengths.masked_fill_(ended, 0)
        return step

    def ended_episodes(self) -> list[dict[str, Any]]:
        """Return the infos of the episodes that ended since the last call, in the order in which they ended."""
        if not self.steps_not_told:
            return []
        ended, *parts = (torch.stack(part) for part in zip(*self.steps_not_told, strict=True))
        self.steps_not_told.clear()
        self.episodes_ended += _array(ended.sum(0))
        seconds, infos = round(time.time() - self._started, 6), []
        for success, paid, length, layout in zip(*(part[ended].tolist() for part in parts), strict=True):
            episode = {"r": round(paid, 6), "l": length, "t": seconds, "is_success": success}
            infos.append({"is_success": success, "episode": episode})
            if self.env.layouts:
                infos[-1]["layout"] = self.env.layouts[layout]
                self.layouts_seen.add(self.env.layouts[layout])
        return infos

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions = torch.as_tensor(actions)

    def step_wait(self) -> VecEnvStepReturn:
        self.ended_episodes()  # what steps by tensors have left is of no step by arrays
        step = self.step_tensors(self._actions)
        terminated, truncated = _array(step.terminated), _array(step.truncated)
        final: Any = _arrays(step.final_observations)
        dones = terminated | truncated
        infos: list[dict[str, Any]] = [
            {"cue_visible": visible, "TimeLimit.truncated": cut}
            for visible, cut in zip(step.cue_visible.tolist(), truncated.tolist(), strict=True)
        ]
        for row, episode in zip(np.flatnonzero(dones).tolist(), self.ended_episodes(), strict=True):
            self.reset_infos[row] = {"cue_visible": infos[row].pop("cue_visible")}
            last = {key: part[row] for key, part in final.items()} if isinstance(final, dict) else final[row]
            infos[row] |= {**episode, "terminal_observation": last}
        return _arrays(step.observations), _array(step.rewards), dones, infos

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed all draws from now on; a bank of episodes stays as it is."""
        if seed is None:
            self.env.generator.seed()
        else:
            self.env.generator.manual_seed(seed)
        return [seed] * self.num_envs

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        own: dict[str, Sequence[Any]] = {"render_mode": [None] * self.num_envs}
        if self.env.layouts:
            own |= {"layouts_seen": [self.layouts_seen] * self.num_envs, "episodes_begun": self.episodes_ended.tolist()}
        if attr_name not in own:
            raise AttributeError(f"envs on a device have no {attr_name!r} of their own")
        return [own[attr_name][row] for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise AttributeError(f"envs on a device have no {attr_name!r} of their own")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        raise AttributeError(f"envs on a device have no {method_name!r} of their own")

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]


def _arrays(observations: Observations) -> VecEnvObs:
    if isinstance(observations, dict):
        return {key: _array(part) for key, part in observations.items()}
    return _array(observations)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.cpu().numpy()
