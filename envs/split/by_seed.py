"""The split by seed, for environments without layouts: every episode belongs to one of three sides."""

from typing import Any

import gymnasium as gym
import numpy as np

from engram.envs.split.by_layout import Side, check_side, side_of

_SEEDS = 2**31  # what every environment takes for a seed


class SplitBySeed(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Plays only the episodes of one side, of an environment without layouts: every episode has a seed of its own.

    A seed belongs to a side by the same rule on its hash as a layout does. Where few episodes are possible, the same
    episode may come up on two sides under different seeds: `envs.split.leakage` finds out. ``info["episode_seed"]`` is
    the seed.

    Args:
        env: an environment whose random numbers all depend on the seed of its reset.
        side: "train", "validation" or "test".

    Raises:
        ValueError: on an unknown side.
    """

    def __init__(self, env: gym.Env[Any, Any], side: Side):
        gym.utils.RecordConstructorArgs.__init__(self, side=side)
        super().__init__(env)
        self.side = check_side(side)
        self._rng = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        while True:
            episode_seed = int(self._rng.integers(_SEEDS))
            if side_of(f"seed {episode_seed}") == self.side:
                break
        observation, info = self.env.reset(seed=episode_seed, options=options)
        return observation, {**info, "episode_seed": episode_seed}
