"""A task as someone plays it: episode after episode, with what happened last and the count of successes."""

from typing import Any

import gymnasium as gym


class Game:
    """Steps through the episodes of an environment and keeps what happened; the first begins at once.

    Args:
        env: the environment.
        seed: of the first episode, on which the others follow, and of the sampling of actions.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int):
        self.env = env
        self.episode = self.episodes_over = self.successes = 0
        self.reports_success = False
        env.action_space.seed(seed)
        self.begin(seed)

    def begin(self, seed: int | None = None) -> None:
        """Begin another episode, whether or not this one is over."""
        self.observation, self.info = self.env.reset(seed=seed)
        self.episode += 1
        self.last_action: Any = None
        self.steps, self.reward, self.episode_return = 0, 0.0, 0.0
        self.terminated = self.over = False

    def act(self, action: Any) -> None:
        """Take a step.

        Raises:
            RuntimeError: if the episode is over.
        """
        if self.over:
            raise RuntimeError("the episode is over: begin another")
        self.observation, reward, self.terminated, truncated, self.info = self.env.step(action)
        self.over = self.terminated or truncated
        self.last_action, self.reward = action, float(reward)
        self.steps += 1
        self.episode_return += self.reward
        if self.over:
            self.episodes_over += 1
            self.reports_success = self.info.get("is_success") is not None
            self.successes += bool(self.info.get("is_success"))

    def summary(self) -> str:
        """Return how all episodes went, in a line."""
        played = f"{self.episodes_over} episode{'s' * (self.episodes_over != 1)} played to the end"
        return f"{played}, {self.successes} with success" if self.reports_success else played
