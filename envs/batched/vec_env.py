"""What the batched envs have in common: arrays take the usual steps, an env itself those that end or pay."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.wrappers import OrderEnforcing
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from engram.envs.split.by_layout import SplitByLayout
from engram.envs.split.by_seed import SplitBySeed
from engram.envs.wrappers.actions import RandomActions

Env = gym.Env[Any, Any]
Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Wrapper = TypeVar("Wrapper")
WRAPPERS: tuple[type[Env], ...] = (OrderEnforcing, RandomActions, SplitByLayout, SplitBySeed, Monitor)
"""Those that every batched env heeds, from the inside out."""


class BatchedVecEnv(DummyVecEnv):
    """Envs that return what a ``DummyVecEnv`` of them does, to the last bit, at many times its speed.

    Every env draws its own episodes, by its own ``reset``. Where it stands is copied into arrays, and the usual step is
    taken there. A step that may pay or end the episode is the env's own: it is brought to where it stands and
    stepped, through all its wrappers, so that rewards, infos and the ``Monitor`` have one definition. Whoever looks at
    ``envs``, also by ``get_attr`` or ``env_method``, finds them where they stand; moving them by hand is not noticed.

    Args:
        env_fns: make the envs, as ``make_env`` makes them.

    Raises:
        ValueError: if ``understands`` does not hold for one of them, or they are not alike.
    """

    def __init__(self, env_fns: list[Callable[[], Env]]):
        self._begun = self._moved = False
        super().__init__(env_fns)
        if not all(self.understands(env) for env in self._single):
            raise ValueError(f"{type(self).__name__} cannot step these envs: use DummyVecEnv")
        self._random = [find(env, RandomActions) for env in self._single]
        self._monitors = [find(env, Monitor) for env in self._single]

    @classmethod
    @abstractmethod
    def understands(cls, env: Env) -> bool:
        """Return whether an env is of this kind, in wrappers that are all heeded."""

    @abstractmethod
    def _load(self, row: int) -> None:
        """Copy into the arrays where an env stands."""

    @abstractmethod
    def _store(self, row: int) -> list[float]:
        """Bring an env to where the arrays say it stands; return the rewards of its episode so far."""

    @abstractmethod
    def _advance(self, actions: Numbers) -> tuple[npt.NDArray[np.float64], Bools]:
        """Step in the arrays, but for the rows whose env has to take the step itself.

        Returns:
            The rewards, and which rows were left out [B].
        """

    @abstractmethod
    def _observe(self) -> tuple[Any, Bools]:
        """Return new arrays of what is observed, by key if it is a Dict, and of where the cue is in sight [B]."""

    @property
    def envs(self) -> list[Env]:
        """The single envs, brought to where they stand."""
        if self._moved:
            self._moved = False
            for row in range(self.num_envs):
                self._bring(row)
        return self._single

    @envs.setter
    def envs(self, envs: list[Env]) -> None:
        self._single = envs

    def reset(self) -> VecEnvObs:
        self._begun = self._moved = False
        observations = super().reset()
        self.go_on_from_envs()
        return observations

    def go_on_from_envs(self) -> None:
        """Go on from where the single envs stand now, each in mid-episode."""
        for row in range(self.num_envs):
            self._load(row)
        self._begun, self._moved = True, False

    def step_wait(self) -> VecEnvStepReturn:
        if not self._begun:
            return super().step_wait()  # which raises that a reset is missing
        actions = np.asarray(self.actions).reshape(self.num_envs)
        if self._random[0] is not None:
            pairs = zip(self._random, actions.tolist(), strict=True)
            actions = np.array([wrapper.replaced(action) for wrapper, action in pairs])  # type: ignore[union-attr]
        rewards, alone = self._advance(actions)
        self._moved = True
        dones, rewards = np.zeros(self.num_envs, dtype=bool), rewards.astype(np.float32)
        rows, own_infos = np.flatnonzero(alone).tolist(), {}
        for row in rows:
            rewards[row], dones[row], own_infos[row] = self._step_alone(row, actions[row])
            self._load(row)
        observations, cue_visible = self._observe()
        infos = [{"cue_visible": visible, "TimeLimit.truncated": False} for visible in cue_visible.tolist()]
        for row in rows:
            infos[row] = own_infos[row]
        return observations, rewards, dones, infos

    def _step_alone(self, row: int, action: Any) -> tuple[float, bool, dict[str, Any]]:
        """Let an env take a step itself, and begin the next episode; return reward, whether it is done, and info."""
        self._bring(row)
        env, wrapper = self._single[row], self._random[row]
        if wrapper is not None:
            wrapper.repeat(action)  # it has been replaced already
        observation, reward, terminated, truncated, info = env.step(action)
        info["TimeLimit.truncated"] = truncated and not terminated
        if terminated or truncated:
            info["terminal_observation"] = observation
            _, self.reset_infos[row] = env.reset()
        return float(reward), terminated or truncated, info

    def _bring(self, row: int) -> None:
        """Bring an env and its monitor to where they stand."""
        rewards, monitor = self._store(row), self._monitors[row]
        if monitor is not None:
            missed = rewards[len(monitor.rewards) :]
            monitor.rewards += missed
            monitor.total_steps += len(missed)

    def _get_target_envs(self, indices: VecEnvIndices) -> list[Env]:
        envs = self.envs
        return [envs[row] for row in self._get_indices(indices)]


def layers(env: Env) -> list[Env]:
    """List an env and all that it wraps, from the inside out."""
    found = [env]
    while isinstance(found[-1], gym.Wrapper):
        found.append(found[-1].env)
    return found[::-1]


def find(env: Env, kind: type[Wrapper]) -> Wrapper | None:
    """Return the wrapper of a kind, or None."""
    return next((layer for layer in layers(env) if isinstance(layer, kind)), None)


def wrapped_in(env: Env, kinds: Sequence[type[Env]]) -> bool:
    """Return whether all wrappers of an env are of these kinds, each at most once and in this order from the inside."""
    wrappers = iter(kinds)
    return all(type(layer) in wrappers for layer in layers(env)[1:])
