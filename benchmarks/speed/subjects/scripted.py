"""An env that plays a fixed script, whatever is done in it: what is counted on it is the same on every machine."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

LENGTHS = (23, 29, 31)
"""Steps of an episode: one begins inside every chunk of 32."""


class Scripted(gym.Env[NDArray[Any], np.int64]):
    """Observations drawn from a pool, in episodes of given lengths.

    Args:
        space: of an observation, a Box.
        kinds: different observations in the pool; 0 if every observation is new.
        lengths: of the episodes, one after the other.
        n_actions: which do nothing.
        seed: of the pool and of what is drawn from it.
    """

    def __init__(
        self, space: spaces.Box, kinds: int, lengths: tuple[int, ...] = LENGTHS, n_actions: int = 7, seed: int = 0
    ) -> None:
        self.observation_space = space
        self.action_space = spaces.Discrete(n_actions)
        self._lengths, self._kinds = lengths, kinds
        self._random = np.random.default_rng(seed)
        self._pool = [random_observation(space, np.random.default_rng(kind)) for kind in range(kinds)]
        self._episode = seed

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[Any], dict[str, Any]]:
        self._left = self._lengths[self._episode % len(self._lengths)]
        self._episode += 1
        return self._next(), {}

    def step(self, action: np.int64) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        self._left -= 1
        return self._next(), float(self._left == 0), self._left == 0, False, {}

    def _next(self) -> NDArray[Any]:
        if not self._kinds:
            return random_observation(self.observation_space, self._random)
        return self._pool[self._random.integers(self._kinds)]


def scripted_env(space: spaces.Box, n_envs: int, **others: Any) -> VecEnv:
    """Return several of them, each with a script of its own; `others` are arguments of `Scripted`."""
    return DummyVecEnv([lambda i=i: Scripted(space, seed=i, **others) for i in range(n_envs)])  # type: ignore[misc]


def random_observation(space: spaces.Space[Any], random: np.random.Generator) -> NDArray[Any]:
    """Draw an observation of a bounded Box of whole numbers, or of any Box of floats."""
    assert isinstance(space, spaces.Box)
    if np.issubdtype(space.dtype, np.integer):
        return random.integers(space.low, space.high, endpoint=True).astype(space.dtype)
    return random.standard_normal(space.shape).astype(space.dtype)
