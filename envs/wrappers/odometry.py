"""Path integration: what an agent's own steps tell of where it stands and looks, counted from where it started."""

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from engram.envs.visibility import Cell

Pose = tuple[Cell, int]
"""A cell (x, y) and a heading, 0 right, 1 down, 2 left, 3 up."""

PERIODS = (4, 16, 64, 256, 1024)
"""Of the sines and cosines of a place, in cells. Each is four times the one before, so that of any two places less than
1,024 cells apart, as in all mazes of this project, at least one period tells a quarter turn or more between them."""
_SPAN = PERIODS[-1]
_PHASES = 2 * np.pi * np.arange(_SPAN)[:, None] / np.array(PERIODS)
# From a table, so that equal places are equal to the last bit, however they are computed.
PLACES = np.stack([np.sin(_PHASES), np.cos(_PHASES)], axis=2).round(7).astype(np.float32).reshape(_SPAN, -1)
"""Sine and cosine of every period, by the number of cells modulo the longest one [1024, 10]."""
TURNS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)], dtype=np.float32)
"""Sine and cosine of the heading, by quarter turns to the right."""


class Odometry(spaces.Box):
    """The space of odometry: 22 numbers, sines before cosines.

    Ten of the cells ahead of the start, two for each of `PERIODS`; ten of those to the right of it; two of the heading,
    in turns to the right. Ahead and right are those of the heading at the start.
    """

    tells_place = True
    """It tells where one is, not what is seen."""

    def __init__(self) -> None:
        super().__init__(-1, 1, (2 * PLACES.shape[1] + TURNS.shape[1],), np.float32)

    def in_words(self, odometry: npt.NDArray[Any]) -> str:
        """Return what odometry tells, such as "3 ahead, 2 left of the start, facing back"."""
        ahead, right, turns = decoded(odometry)
        ways = (ahead, "ahead"), (-ahead, "back"), (-right, "left"), (right, "right")
        place = ", ".join(f"{cells} {way}" for cells, way in ways if cells > 0)
        return f"{f'{place} of' if place else 'at'} the start, facing {('ahead', 'right', 'back', 'left')[turns]}"


class OdometrySeen(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Adds to the observation of a MiniGrid environment what the agent's own steps add up to since the start.

    The observation becomes ``{"image": ..., "odometry": (22,)}``, see `Odometry`; a dictionary just gets the key. What
    counts is how far legs and turns have led, as an animal feels it: a step against a wall leads nowhere. Where in the
    grid the agent is, and which way is right there, is not told. Who is carried does not feel where to: after a step
    that led farther than to the next cell all begins anew.

    Args:
        env: a MiniGrid environment.

    Raises:
        ValueError: if the observation already has a key "odometry".
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        space = env.observation_space
        self._is_dict = isinstance(space, spaces.Dict)
        parts = dict(space.spaces) if isinstance(space, spaces.Dict) else {"image": space}
        if "odometry" in parts:
            raise ValueError("the observation already has a key 'odometry'")
        self.observation_space = spaces.Dict({**parts, "odometry": Odometry()})
        self.start: Pose = ((0, 0), 0)
        """The pose in the grid from which steps are counted."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self.start = self._pose()
        return self._joined(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        (x, y), _ = self._pose()
        observation, reward, terminated, truncated, info = self.env.step(action)
        (now_x, now_y), heading = self._pose()
        if max(abs(now_x - x), abs(now_y - y)) > 1:
            self.start = ((now_x, now_y), heading)
        return self._joined(observation), reward, terminated, truncated, info

    def _pose(self) -> Pose:
        bare: Any = self.env.unwrapped
        return (int(bare.agent_pos[0]), int(bare.agent_pos[1])), int(bare.agent_dir)

    def _joined(self, observation: Any) -> dict[str, Any]:
        ((x, y), heading), ((first_x, first_y), first) = self._pose(), self.start
        parts = dict(observation) if self._is_dict else {"image": observation}
        parts["odometry"] = encoded(*from_start(x - first_x, y - first_y, heading, first))
        return parts


def from_start(dx: Any, dy: Any, heading: Any, first: Any) -> tuple[Any, Any, Any]:
    """Turn a way in the grid into one seen from the start; whole numbers, or arrays or tensors of them.

    Args:
        dx, dy: cells from the start.
        heading: now, 0 right, 1 down, 2 left, 3 up.
        first: heading at the start.

    Returns:
        cells ahead and to the right, and quarter turns to the right, 0 to 3.
    """
    ahead_x, ahead_y = (1 - first) * (1 - first % 2), (2 - first) * (first % 2)
    return dx * ahead_x + dy * ahead_y, dy * ahead_x - dx * ahead_y, (heading - first) % 4


def encoded(ahead: Any, right: Any, turns: Any) -> npt.NDArray[np.float32]:
    """Return the odometry of places and headings as `from_start` returns them, [..., 22]."""
    axes = (PLACES.take(axis, 0, mode="wrap") for axis in (ahead, right))
    return np.concatenate([*axes, TURNS.take(turns, 0)], axis=-1)


def decoded(odometry: npt.NDArray[Any]) -> tuple[int, int, int]:
    """Return what was encoded: cells ahead and to the right, from -512 to 512, and quarter turns to the right."""
    angles = np.arctan2(odometry[0::2], odometry[1::2]) / (2 * np.pi)  # one of each sine and cosine
    longest = len(PERIODS) - 1
    ahead, right, turns = np.rint(angles[[longest, 2 * longest + 1, -1]] * (_SPAN, _SPAN, 4)).astype(int).tolist()
    return ahead, right, turns % 4
