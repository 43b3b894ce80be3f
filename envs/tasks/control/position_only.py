"""Classic control without velocities: where things are is seen, how fast they move has to be remembered or inferred."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv

Vector = npt.NDArray[np.float32]


class PositionOnly(gym.ObservationWrapper[Vector, Any, Vector], gym.utils.RecordConstructorArgs):
    """Keeps some entries of a vector observation and hides the others.

    Args:
        env: an environment whose observation is a Box of one axis.
        positions: indices of the entries to keep, in the order in which they are shown.

    Raises:
        ValueError: if the observation is no such vector, or an index none of its entries.
    """

    def __init__(self, env: gym.Env[Vector, Any], positions: Sequence[int]):
        gym.utils.RecordConstructorArgs.__init__(self, positions=positions)
        super().__init__(env)
        kept, space = list(positions), env.observation_space
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            raise ValueError(f"positions={kept} are entries of a Box of one axis, and this env shows {space}")
        if not kept or not all(0 <= position < space.shape[0] for position in kept):
            raise ValueError(f"positions={kept} must be indices from 0 to {space.shape[0] - 1}, at least one")
        self._positions = kept
        self.observation_space = gym.spaces.Box(space.low[kept], space.high[kept], dtype=np.float32)

    def observation(self, observation: Vector) -> Vector:
        return observation[self._positions]


# The figures below are of the players in `tests/envs/tasks/control/test_position_only.py`, which holds them.


def position_cartpole(**kwargs: Any) -> gym.Env[Vector, Any]:
    """Make CartPole (Barto, Sutton and Anderson 1983) that shows only where the cart and the pole are, [2].

    Mean return, at most 500: a random player 23, the best found without memory 51, one that remembers the step before
    and one that sees the velocities 500.

    Args:
        **kwargs: of Gymnasium's ``CartPoleEnv``.
    """
    return PositionOnly(CartPoleEnv(**kwargs), positions=(0, 2))


def position_pendulum(**kwargs: Any) -> gym.Env[Vector, Any]:
    """Make Gymnasium's Pendulum that shows only the cosine and sine of its angle, [2].

    Mean return: a random player -1,220, the best found without memory -1,020, one that remembers the step before and
    one that sees the velocity -141.

    Args:
        **kwargs: of Gymnasium's ``PendulumEnv``.
    """
    return PositionOnly(PendulumEnv(**kwargs), positions=(0, 1))


# Where Gymnasium looks for the render modes of what an entry point makes.
vars(position_cartpole)["metadata"] = CartPoleEnv.metadata
vars(position_pendulum)["metadata"] = PendulumEnv.metadata
