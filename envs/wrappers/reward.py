"""The previous reward as part of the observation."""

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np


class PreviousReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Shows the agent the reward of its previous step, 0 at an episode's start.

    The observation becomes ``{"observation": ..., "previous_reward": (1,)}``; a dictionary just gets the second key.

    Args:
        env: any environment.

    Raises:
        ValueError: if the observation already has a key "previous_reward".
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        space = env.observation_space
        self._is_dict = isinstance(space, gym.spaces.Dict)
        parts = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {"observation": space}
        if "previous_reward" in parts:
            raise ValueError("the observation already has a key 'previous_reward'")
        parts["previous_reward"] = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.observation_space = gym.spaces.Dict(parts)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._joined(observation, 0.0), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._joined(observation, float(reward)), reward, terminated, truncated, info

    def _joined(self, observation: Any, reward: float) -> dict[str, Any]:
        parts = dict(observation) if self._is_dict else {"observation": observation}
        parts["previous_reward"] = np.array([reward], dtype=np.float32)
        return parts
