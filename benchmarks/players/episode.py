"""How an episode went, and the player that acts at random."""

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

Env = gym.Env[Any, Any]


class Played(NamedTuple):
    """How an episode went."""

    success: bool
    steps: int
    layout: str


def number_of_actions(env: Env) -> int:
    """Return how many actions there are."""
    assert isinstance(env.action_space, gym.spaces.Discrete)
    return int(env.action_space.n)


def random_episode(env: Env, rng: np.random.Generator) -> Played:
    """Play at random."""
    env.reset()
    actions = number_of_actions(env)
    steps = 0
    while True:
        *_, terminated, truncated, info = env.step(int(rng.integers(actions)))
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])
