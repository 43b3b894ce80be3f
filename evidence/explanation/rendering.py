"""Pictures of observations for people: grids drawn as MiniGrid draws them, vectors as bars."""

from __future__ import annotations

import base64
import io
from math import ceil
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from minigrid.core.constants import IDX_TO_COLOR, IDX_TO_OBJECT
from minigrid.core.grid import Grid
from numpy.typing import NDArray
from PIL import Image

from engram.envs.wrappers.odometry import Odometry
from engram.envs.wrappers.words import NUMBERS, Words

Picture = NDArray[np.uint8]  # [H, W, 3]

_TILE = 16
_BAR = 12
_MOST_BARS = 64
_PLAIN = {"unseen", "empty", "wall", "floor", "agent"}
_UP = 3  # the heading with which the agent is drawn in its own view


def picture(observation: Any, space: spaces.Space[Any]) -> Picture:
    """Draw an observation.

    Args:
        observation: as the env returned it.
        space: where it is from.

    Returns:
        an RGB image: MiniGrid's tiles for a grid of symbols, images as they are, bars for anything else.
    """
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            if isinstance(part, spaces.Box) and len(part.shape) == 3:
                return picture(observation[key], part)
        drawn = {key: part for key, part in space.spaces.items() if not isinstance(part, Words)} or space.spaces
        return _bars(np.concatenate([_levels(observation[key], part) for key, part in drawn.items()]))
    if _is_grid(space):
        return _grid(np.asarray(observation))
    if isinstance(space, spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8:
        image = np.asarray(observation)
        image = image.transpose(1, 2, 0) if np.argmin(image.shape) == 0 else image
        image = image[..., -3:] if image.shape[2] % 3 == 0 else image[..., -1:]  # of stacked frames the newest
        return cast(Picture, np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)
    return _bars(_levels(observation, space))


def caption(observation: Any, space: spaces.Space[Any], channels: tuple[str, ...] = ()) -> str:
    """Describe an observation in words if that is short: objects of a grid, channels that are on, texts, odometry.

    Args:
        observation, space: as for `picture`.
        channels: names of the channels of a vector, if the env has names for them.
    """
    if isinstance(space, spaces.Dict):
        grids = [key for key, part in space.spaces.items() if _is_grid(part)]
        objects = caption(observation[grids[0]], space.spaces[grids[0]]) if grids else ""
        steps = [part.in_words(observation[key]) for key, part in space.spaces.items() if isinstance(part, Odometry)]
        return "; ".join(filter(None, (objects, *steps, *texts(observation, space).values())))
    if isinstance(space, Words):
        return space.text_of(observation)
    if _is_grid(space):
        seen = [(IDX_TO_OBJECT[kind], IDX_TO_COLOR[color]) for kind, color, _ in observation.reshape(-1, 3)]
        return ", ".join(dict.fromkeys(f"{color} {kind}" for kind, color in seen if kind not in _PLAIN))
    if isinstance(space, spaces.Discrete):
        return str(int(observation))
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        values = np.asarray(observation)
        on = [number for number, value in enumerate(values) if value > 0]
        if channels:
            return ", ".join(channels[number] for number in on if number < len(channels))
        return ", ".join(f"channel {number}" for number in on) if np.isin(values, (0, 1)).all() else ""
    return ""


def texts(observation: Any, space: spaces.Space[Any], constant: bool = False) -> dict[str, str]:
    """Return the texts of an observation, such as a mission, by their keys.

    Args:
        observation, space: as for `picture`.
        constant: those that are the same at all steps of an episode, or the others.
    """
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    words = {key: part for key, part in parts.items() if isinstance(part, Words)}
    return {k: part.text_of(observation[k]) for k, part in words.items() if part.constant_over_episode == constant}


def as_png(image: Picture) -> str:
    """Return a picture as a data URI."""
    file = io.BytesIO()
    # Few colors: a palette makes it a quarter as large.
    Image.fromarray(image).quantize(64, method=Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _is_grid(space: spaces.Space[Any]) -> bool:
    """Return whether a space is that of MiniGrid's symbols: ids of object, color and state in each cell."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 3 or space.shape[2] != 3 or space.dtype != np.uint8:
        return False
    return space.shape[0] == space.shape[1] and int(space.high.max()) <= max(*IDX_TO_OBJECT, *IDX_TO_COLOR)


def _grid(symbols: NDArray[Any]) -> Picture:
    grid, visible = Grid.decode(symbols.astype(np.uint8))
    side = symbols.shape[0]
    return grid.render(_TILE, (side // 2, side - 1), _UP, highlight_mask=visible)


def _levels(observation: Any, space: spaces.Space[Any]) -> NDArray[np.float64]:
    """Return an observation as numbers in 0..1."""
    if isinstance(space, Words):
        return np.asarray(observation / NUMBERS, dtype=np.float64)
    flat = np.asarray(spaces.flatten(space, observation), dtype=np.float64).ravel()
    low, high = 0.0, 1.0
    if isinstance(space, spaces.Box) and np.isfinite(space.low).all() and np.isfinite(space.high).all():
        low, high = float(space.low.min()), float(space.high.max())
    elif np.abs(flat).max(initial=0.0) > 1:
        flat = np.tanh(flat) / 2 + 0.5
    return np.clip((flat - low) / max(high - low, 1e-9), 0, 1)


def _bars(levels: NDArray[np.float64], height: int = 32) -> Picture:
    if len(levels) > _MOST_BARS:  # too many for bars: a square of shades
        side = ceil(len(levels) ** 0.5)
        shades = np.zeros(side * side)
        shades[: len(levels)] = levels
        shaded = (235 - 200 * shades.reshape(side, side)).astype(np.uint8)
        return np.repeat(shaded[:, :, None], 3, axis=2).repeat(2, axis=0).repeat(2, axis=1)
    image = np.full((height, _BAR * max(len(levels), 1), 3), 235, dtype=np.uint8)
    for number, level in enumerate(levels):
        top = height - round(level * height)
        image[top:, number * _BAR + 1 : (number + 1) * _BAR - 1] = (31, 119, 180)
    return image
