"""Only the actions that a task has a use for."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from minigrid.core.actions import Actions


class ActionSubset(gym.ActionWrapper[Any, Any, int], gym.utils.RecordConstructorArgs):
    """Lets the agent choose among some of MiniGrid's actions, numbered in the order given.

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
