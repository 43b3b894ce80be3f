"""Actions: only those that a task has a use for, and random ones during training."""

from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
from minigrid.core.actions import Actions


class ActionSubset(gym.ActionWrapper[Any, Any, int], gym.utils.RecordConstructorArgs):
    """Restricts the agent to some of MiniGrid's actions, numbered in the order given.

    Args:
        env: a MiniGrid environment.
        actions: names such as ``("left", "right", "forward")``.

    Raises:
        ValueError: on an unknown, repeated or missing name.
    """

    def __init__(self, env: gym.Env[Any, int], actions: Sequence[str]):
        gym.utils.RecordConstructorArgs.__init__(self, actions=actions)
        super().__init__(env)
        known = [action.name for action in Actions]
        names = list(actions)
        if not names or len(set(names)) != len(names) or not set(names) <= set(known):
            raise ValueError(f"useful_actions={names} must be distinct names out of {', '.join(known)}")
        self.action_names = tuple(names)
        self._actions = [int(Actions[name]) for name in names]
        self.action_space = gym.spaces.Discrete(len(names))

    def action(self, action: Any) -> int:
        return self._actions[int(action)]


class RandomActions(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Replaces the agent's action by a random one now and then, for a while.

    An agent that has memorized the few mazes of its training no longer visits other places, and forgets what it had
    learned there. Random actions lead it there again, if they are repeated: an action is held for a number of steps
    drawn from the zeta distribution with exponent 2, mostly one and sometimes many (Dabney et al. 2021,
    "Temporally-extended ε-greedy exploration").

    Args:
        env: an environment with Discrete actions.
        probability: that a random action, drawn uniformly, begins at a step.

    Raises:
        ValueError: if the actions are not Discrete, or the probability is not between 0 and 1.
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
        return self.env.step(self.replaced(action))

    def replaced(self, action: Any) -> Any:
        """Return the action that is taken at the next step in place of the agent's."""
        if self._steps_left == 0 and self.np_random.random() < self.probability:
            self._steps_left = int(self.np_random.zipf(self.exponent))
            self._held = self._first + int(self.np_random.integers(self.choices))
        if self._steps_left:
            self._steps_left -= 1
            return self._held
        return action

    def repeat(self, action: Any) -> None:
        """Let the next step take this action, which has been replaced already, and draw nothing."""
        self._held, self._steps_left = action, self._steps_left + 1
