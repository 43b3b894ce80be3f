"""The agent's view of a MiniGrid as an RGB image, bit for bit MiniGrid's own, several times faster."""

from typing import Any, SupportsIndex

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.visibility import Image

_SMALLEST_TILE, _LARGEST_TILE = 5, 100
_UNSEEN = OBJECT_TO_IDX["unseen"]
_UP = 3  # the heading with which the agent is drawn in its own view


class PixelView(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Shows the symbol image as pixels, the image of MiniGrid's ``RGBImgPartialObsWrapper``.

    MiniGrid draws each kind of tile once (by object, color and state, seen or not, with the agent or without); here
    an image is one look-up of their pixel rows.

    Args:
        env: a MiniGrid environment whose observation is the symbol image, as ``SymbolView`` makes it.
        tile_size: side of a cell in pixels, from 5 to 100: in smaller ones an open door looks like empty floor.

    Raises:
        ValueError: if the environment is no MiniGrid one or the tiles are too small or large.
    """

    def __init__(self, env: gym.Env[Any, Any], tile_size: int = 8):
        gym.utils.RecordConstructorArgs.__init__(self, tile_size=tile_size)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(env.unwrapped, MiniGridEnv) or not isinstance(space, gym.spaces.Box):
            raise ValueError(f"PixelView needs a MiniGrid environment's symbols, got {type(env.unwrapped).__name__}")
        if not isinstance(tile_size, SupportsIndex) or not _SMALLEST_TILE <= tile_size <= _LARGEST_TILE:
            raise ValueError(
                f"pixels={tile_size} must be a whole number from {_SMALLEST_TILE} to {_LARGEST_TILE} pixels a cell"
            )
        self._tile_size = tile_size
        side = len(space.high) * tile_size
        self.observation_space = gym.spaces.Box(0, 255, (side, side, 3), np.uint8)
        # A kind of tile is one number: its symbol's three ids as digits, and one more for the agent's own cell.
        objects, colors, states = (int(highest) + 1 for highest in space.high.reshape(-1, 3).max(axis=0))
        self._digits = np.array((colors * states, states, 1))
        self._with_agent = objects * colors * states
        # The number of each kind's first row in the table of rows, negative if it is not drawn yet.
        self._first_rows = np.full(2 * self._with_agent, -1)
        self._rows = np.zeros((0, 3 * tile_size), dtype=np.uint8)
        self._row_in_tile = np.arange(tile_size)[:, None]

    def observation(self, observation: Image) -> Image:
        # As MiniGrid's wrapper, it shows how things are now: a few environments change them after the observation.
        env: Any = self.env.unwrapped
        symbols: Image = env.gen_obs()["image"]
        kinds: npt.NDArray[np.int64] = symbols.astype(np.int64) @ self._digits
        kinds[len(kinds) // 2, -1] += self._with_agent
        first_rows = self._first_rows[kinds]
        while first_rows.min() < 0:
            cell = tuple(np.argwhere(first_rows < 0)[0])
            self._draw(int(kinds[cell]), symbols[cell].tolist())
            first_rows = self._first_rows[kinds]
        # MiniGrid's symbols go by (column, row), pictures by (row, column): (V, t, V) rows of a tile, 3t bytes each.
        rows = self._rows.take(first_rows.T[:, None, :] + self._row_in_tile, axis=0)
        return rows.reshape(self.observation_space.shape)

    def _draw(self, kind: int, symbol: list[int]) -> None:
        """Let MiniGrid draw a kind of tile, after a thing that looks like it, or else after its symbol alone."""
        env: Any = self.env.unwrapped
        things = (thing for thing in (*env.grid.grid, env.carrying) if thing is not None)
        thing = next((thing for thing in things if list(thing.encode()) == symbol), None)
        tile = Grid.render_tile(
            thing or WorldObj.decode(*symbol),
            agent_dir=_UP if kind >= self._with_agent else None,
            highlight=symbol[0] != _UNSEEN,
            tile_size=self._tile_size,
        )
        self._first_rows[kind] = len(self._rows)
        # MiniGrid draws in floating point and truncates, as here.
        self._rows = np.concatenate((self._rows, tile.reshape(self._tile_size, -1).astype(np.uint8)))
