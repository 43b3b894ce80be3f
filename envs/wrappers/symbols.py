"""The symbol image of a MiniGrid agent, bit for bit MiniGrid's own, several times faster."""

from typing import Any, SupportsFloat, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from minigrid.core.constants import IDX_TO_COLOR, IDX_TO_OBJECT, OBJECT_TO_IDX
from minigrid.core.world_object import Wall, WorldObj
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.checks import check_view_size
from engram.envs.visibility import Image, visible_mask

# The largest object, color and state id that an image can hold (states: doors 0-2, the heading of an agent 0-3).
HIGHEST = (max(IDX_TO_OBJECT), max(IDX_TO_COLOR), 3)
_MASKS_KEPT = 1 << 15
SYMBOLS = np.array(list(np.ndindex(*(highest + 1 for highest in HIGHEST))), dtype=np.uint8)
"""The object, color and state ids of every code (codes, 3): a code is a symbol as one number."""


def code_of(symbol: tuple[int, int, int]) -> int:
    """Return the code of a symbol."""
    (kind, color, state), (_, highest_color, highest_state) = symbol, HIGHEST
    return (kind * (highest_color + 1) + color) * (highest_state + 1) + state


EMPTY, _WALL = code_of((OBJECT_TO_IDX["empty"], 0, 0)), code_of(Wall().encode())


class ViewEncoder:
    """Draws the agent's view from one encoding of the whole grid, renewed only when the grid has changed.

    Args:
        env: the bare MiniGrid environment; its ``agent_view_size`` and ``see_through_walls`` hold.
    """

    def __init__(self, env: MiniGridEnv):
        self._env: Any = env
        self._cells: list[WorldObj | None] = []
        self._things: list[WorldObj] = []
        self._looks: list[tuple[tuple[int, int, int], bool]] = []
        self.codes = np.zeros((0, 0), dtype=np.int16)
        """Of the whole grid by (x, y), in a margin of walls as wide as the view."""
        self.clear = np.zeros((0, 0), dtype=np.bool_)
        """Where light passes, likewise."""
        self._images: dict[tuple[int, int, int], Image] = {}
        self._masks: dict[bytes, Image] = {}

    def image(self) -> Image:
        """Return what the agent sees now, as (V, V, 3) object, color and state ids."""
        env = self._env
        self.renew()
        key = (int(env.agent_pos[0]), int(env.agent_pos[1]), int(env.agent_dir))
        image = self._images.get(key)
        if image is None:
            image = self._images[key] = self._draw(*key)
        image = image.copy()
        if env.carrying is not None:
            image[len(image) // 2, -1] = env.carrying.encode()
        return image

    def renew(self) -> None:
        """Encode the grid again if it has changed."""
        if self._grid_changed():
            self._encode_grid()

    def _grid_changed(self) -> bool:
        # List equality compares identities first, so it costs about a nanosecond a cell. Doors change in place.
        return self._env.grid.grid != self._cells or [_looks(thing) for thing in self._things] != self._looks

    def _encode_grid(self) -> None:
        grid, margin = self._env.grid, self._env.agent_view_size
        width, height = grid.width, grid.height
        self._cells = list(grid.grid)
        codes, places = [], []
        for place, cell in enumerate(self._cells):
            if cell is None:
                codes.append(EMPTY)
            elif type(cell) is Wall and cell.color == "grey":
                codes.append(_WALL)
            else:
                codes.append(code_of(cell.encode()))
                places.append(place)
        encoded = np.array(codes, dtype=np.int16)
        self._things = [cast(WorldObj, self._cells[place]) for place in places]
        self._looks = [_looks(thing) for thing in self._things]
        clear = encoded == EMPTY
        clear[places] = [passes for _, passes in self._looks]
        # Beyond the border MiniGrid shows walls, so a margin of walls makes every view a plain slice.
        inside = (slice(margin, -margin), slice(margin, -margin))
        self.codes = np.full((width + 2 * margin, height + 2 * margin), _WALL, dtype=np.int16)
        self.codes[inside] = encoded.reshape(height, width).T
        self.clear = np.zeros(self.codes.shape, dtype=np.bool_)
        self.clear[inside] = clear.reshape(height, width).T
        self._images = {}

    def _draw(self, x: int, y: int, heading: int) -> Image:
        size = self._env.agent_view_size
        half = size // 2
        # The corner of the view in the padded grid, then the view turned so that the agent looks at its first row.
        left = x + size - (0, half, size - 1, half)[heading]
        top = y + size - (half, 0, half, size - 1)[heading]
        window = (slice(left, left + size), slice(top, top + size))
        codes = _turned(self.codes[window], heading).copy()
        if not self._env.see_through_walls:
            clear = _turned(self.clear[window], heading)
            key = clear.tobytes()
            mask = self._masks.get(key)
            if mask is None:
                if len(self._masks) >= _MASKS_KEPT:
                    self._masks.clear()
                mask = self._masks[key] = visible_mask(clear)[..., 0]
            codes *= mask
        codes[half, -1] = EMPTY
        return SYMBOLS.take(codes, axis=0)


def _looks(thing: WorldObj) -> tuple[tuple[int, int, int], bool]:
    return thing.encode(), thing.see_behind()


def _turned(view: npt.NDArray[Any], heading: int) -> npt.NDArray[Any]:
    if heading == 0:
        return view.swapaxes(0, 1)[:, ::-1]
    if heading == 1:
        return view[::-1, ::-1]
    return view.swapaxes(0, 1)[::-1] if heading == 2 else view


class SymbolView(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Makes the symbol image the whole observation of a MiniGrid environment, and ``is_success`` part of its info.

    The space has the true bounds per channel (object, color, state), so that nothing takes it for a picture.
    ``is_success`` stands in the info of an episode's last step: the episode ended, with a positive reward.

    Args:
        env: a MiniGrid environment, bare or wrapped by what leaves its observation alone.
        view_size: side V of the square view in cells, odd, from 3 to 63, at most twice the side of the grid less one,
            which shows all of it; None keeps that of the environment.

    Raises:
        ValueError: if the environment is no MiniGrid one or the view is of no such size.
    """

    def __init__(self, env: gym.Env[Any, Any], view_size: int | None = None):
        gym.utils.RecordConstructorArgs.__init__(self, view_size=view_size)
        super().__init__(env)
        grid_env = env.unwrapped
        if not isinstance(grid_env, MiniGridEnv):
            raise ValueError(f"SymbolView needs a MiniGrid environment, got {type(grid_env).__name__}")
        if view_size is not None:
            view_size = check_view_size("view_size", view_size, max(grid_env.width, grid_env.height))
            grid_env.agent_view_size = view_size
        size = grid_env.agent_view_size
        high = np.broadcast_to(np.array(HIGHEST, dtype=np.uint8), (size, size, 3))
        self.observation_space = gym.spaces.Box(np.zeros_like(high), high.copy(), dtype=np.uint8)
        self.encoder: ViewEncoder | None = None
        cls = type(grid_env)
        if cls.gen_obs is MiniGridEnv.gen_obs and cls.gen_obs_grid is MiniGridEnv.gen_obs_grid:
            # Replaced on the instance, so that MiniGrid's own step computes no slow image either.
            self.encoder = ViewEncoder(grid_env)
            instance: Any = grid_env
            instance.gen_obs = self._observe

    def _observe(self) -> dict[str, Any]:
        env: Any = self.env.unwrapped
        assert self.encoder is not None
        return {"image": self.encoder.image(), "direction": env.agent_dir, "mission": env.mission}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return observation["image"], info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        report_success(info, float(reward), terminated, truncated)
        return observation["image"], reward, terminated, truncated, info


def report_success(info: dict[str, Any], reward: float, terminated: bool, truncated: bool) -> None:
    """Say in the info of an episode's last step whether it was a success: it ended, with a positive reward."""
    if terminated or truncated:
        info.setdefault("is_success", bool(terminated and reward > 0))


def is_symbols(space: gym.Space[Any]) -> bool:
    """Return whether a space is that of MiniGrid's symbols, with their true bounds."""
    return isinstance(space, gym.spaces.Box) and space.shape[2:] == (3,) and bool((space.high == HIGHEST).all())
