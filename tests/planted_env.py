"""The source of an env of a user's own, in a module beside a run, which does something from some step on."""

SOURCE = """
import os

import gymnasium as gym


class Planted(gym.Env):
    observation_space, action_space, taken = gym.spaces.Discrete(3), gym.spaces.Discrete(2), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {{}}

    def step(self, action):
        self.taken += 1
        reward = 1.0
        {then}
        return self.taken % 3, reward, self.taken % 7 == 0, False, {{}}


gym.register("Planted-v0", Planted)
"""


def planted_env(then: str) -> str:
    """The source of a module that registers `Planted-v0`; `then` is done at every step, and may set `reward`."""
    return SOURCE.format(then=then)
