"""Small wrappers: what an agent is told of cue and reward, and what chance and scale do in training."""

import math
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from engram.envs.wrappers.visibility import Cell, image_shows


class CueVisible(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts ``cue_visible`` into the info of a MiniGrid environment whose cue lies at a known cell.

    Args:
        env: an environment whose observation is the symbol image, as ``SymbolView`` makes it.
        cell: the cue's cell (x, y).
    """

    def __init__(self, env: gym.Env[Any, Any], cell: Cell):
        gym.utils.RecordConstructorArgs.__init__(self, cell=cell)
        super().__init__(env)
        self._cell = cell

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        info["cue_visible"] = self._sees_cue(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["cue_visible"] = self._sees_cue(observation)
        return observation, reward, terminated, truncated, info

    def _sees_cue(self, image: Any) -> bool:
        env: Any = self.env.unwrapped
        return image_shows(image, env.agent_pos, env.agent_dir, self._cell)


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


class RandomActions(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Lets chance act now and then, for a while.

    An agent that knows the few mazes of its training by heart forgets what it had learned for all other places: nothing
    leads it there any more. Chance does, if it persists: a random action is held for a number of steps drawn from the
    zeta distribution with exponent 2, mostly one and now and then many (Dabney et al. 2021, "Temporally-extended
    ε-greedy exploration").

    Args:
        env: an environment with Discrete actions.
        probability: that a random action begins at a step, drawn uniformly from all.

    Raises:
        ValueError: if the actions are of another kind, or the probability is none.
    """

    exponent = 2.0

    def __init__(self, env: gym.Env[Any, Any], probability: float):
        if not isinstance(env.action_space, gym.spaces.Discrete):
            raise ValueError(f"random_actions is for Discrete actions, not for {type(env.action_space).__name__}")
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"random_actions={probability} must be between 0 and 1")
        gym.utils.RecordConstructorArgs.__init__(self, probability=probability)
        super().__init__(env)
        self.probability = probability
        self._first, self.choices = int(env.action_space.start), int(env.action_space.n)
        self._held, self._steps_left = 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._steps_left = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        if self._steps_left == 0 and self.np_random.random() < self.probability:
            self._steps_left = int(self.np_random.zipf(self.exponent))
            self._held = self._first + int(self.np_random.integers(self.choices))
        if self._steps_left:
            self._steps_left -= 1
            action = self._held
        return self.env.step(action)


class RewardScale(gym.RewardWrapper[Any, Any], gym.utils.RecordConstructorArgs):
    """Multiplies every reward, so that an agent learns from rewards of about 1 whatever a suite pays.

    Outside of ``Monitor`` the returns that are reported stay the environment's own.

    Args:
        env: any environment.
        scale: the factor, positive.

    Raises:
        ValueError: if the scale is not a positive number.
    """

    def __init__(self, env: gym.Env[Any, Any], scale: float):
        if not 0.0 < scale < math.inf:
            raise ValueError(f"reward_scale={scale} must be a positive number")
        gym.utils.RecordConstructorArgs.__init__(self, scale=scale)
        super().__init__(env)
        self.scale = scale

    def reward(self, reward: SupportsFloat) -> float:
        return float(reward) * self.scale
