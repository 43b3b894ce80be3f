"""A MiniGrid as colored text: what its agent sees, or the whole grid, two characters a cell."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from minigrid.core.constants import IDX_TO_COLOR, IDX_TO_OBJECT
from rich.text import Text

from engram.envs.visibility import Cell, Image, image_shows

# The sign of each kind, and the one for terminals that know ASCII only.
_SIGNS = {
    "unseen": "░:",
    "empty": "·.",
    "wall": "█#",
    "floor": "·.",
    "key": "kk",
    "ball": "●o",
    "box": "■=",
    "goal": "★*",
    "lava": "≈~",
}
_DOORS = (("open", "//"), ("closed", "++"), ("locked", "×x"))  # by state
_AGENT = ("▶>", "▼v", "◀<", "▲^")
_UP = 3  # the heading with which the agent stands in its own view
# Of middle brightness, so that they are readable on dark and on light terminals.
_STYLES = {
    "red": "#e03c31",
    "green": "#2e9e44",
    "blue": "#3b7dd8",
    "purple": "#a55bd0",
    "yellow": "#c79a00",
    "grey": "#888888",
}
# What has the same look in every color.
_ROOM = {
    "unseen": "grey35",
    "empty": "grey50",
    "floor": "grey50",
    "wall": "grey42",
    "goal": "#2e9e44",
    "lava": "#e03c31",
}
_IN_VIEW, _WALL_IN_VIEW = "on grey30", "grey74"


class GridView(NamedTuple):
    """A grid of symbols with the agent in it, by (column, row)."""

    symbols: Image  # (columns, rows, 3): object, color and state ids, as MiniGrid encodes them
    agent: Cell
    heading: int  # 0 right, 1 down, 2 left, 3 up
    in_view: npt.NDArray[np.bool_]  # (columns, rows), the cells to draw as seen by the agent


def agents_view(image: Image) -> GridView:
    """Return what an agent sees, with the agent in the middle of the last row, looking up.

    Args:
        image: (V, V, 3) symbols, the observation.
    """
    return GridView(image, (len(image) // 2, len(image) - 1), _UP, np.zeros(image.shape[:2], dtype=np.bool_))


def whole_grid(env: gym.Env[Any, Any], image: Image) -> GridView:
    """Return the whole grid, in which the agent's view is marked.

    Args:
        env: a MiniGrid environment, bare or wrapped, after a reset.
        image: (V, V, 3) symbols, its observation now.
    """
    bare: Any = env.unwrapped
    symbols: Image = bare.grid.encode()
    place, heading = (int(bare.agent_pos[0]), int(bare.agent_pos[1])), int(bare.agent_dir)
    in_view = [
        [image_shows(image, place, heading, (column, row)) for row in range(symbols.shape[1])]
        for column in range(symbols.shape[0])
    ]
    return GridView(symbols, place, heading, np.array(in_view, dtype=np.bool_))


def cut_out(view: GridView, columns: int, rows: int) -> GridView:
    """Keep at most so many columns and rows of cells, those around the agent."""
    left, top = (
        min(max(at - most // 2, 0), max(size - most, 0))
        for at, most, size in zip(view.agent, (columns, rows), view.in_view.shape, strict=True)
    )
    kept = (slice(left, left + columns), slice(top, top + rows))
    return GridView(view.symbols[kept], (view.agent[0] - left, view.agent[1] - top), view.heading, view.in_view[kept])


def draw(view: GridView, ascii_only: bool = False) -> Text:
    """Draw a grid, one line per row: a thing is its sign and the first letter of its color, but for grey.

    Args:
        view: what to draw.
        ascii_only: draws without any other characters.
    """
    columns, rows = view.in_view.shape
    lines = []
    for row in range(rows):
        line = Text()
        for column in range(columns):
            signs, style = _look(view.symbols[column, row].tolist(), ascii_only)
            if (column, row) == view.agent:
                signs, style = _AGENT[view.heading][ascii_only] + " ", f"bold {_STYLES['red']}"
            if view.in_view[column, row]:
                # A wall fills its cell, so that no background would show.
                style = _WALL_IN_VIEW if style == _ROOM["wall"] else f"{style} {_IN_VIEW}"
            line.append(signs, style)
        lines.append(line)
    return Text("\n").join(lines)


def legend(view: GridView, ascii_only: bool = False) -> Text:
    """Name all that a grid shows, but for empty cells, each next to its sign."""
    named: dict[str, Text] = {}
    for symbol in sorted(view.symbols.reshape(-1, 3).tolist()):
        name = name_of(symbol)
        if name not in named and name not in ("empty", "floor"):
            named[name] = Text.assemble(_look(symbol, ascii_only), f" {name}")
    return Text("   ").join(named.values())


def carried(image: Image) -> str:
    """Name what an agent carries, which its own cell in its view shows; empty if it carries nothing.

    Args:
        image: (V, V, 3) symbols, the observation.
    """
    name = name_of(image[len(image) // 2, -1].tolist())
    return "" if name == "empty" else name


def name_of(symbol: Sequence[int]) -> str:
    """Name what object, color and state ids stand for, such as "locked red door"."""
    kind, color = IDX_TO_OBJECT[symbol[0]], IDX_TO_COLOR[symbol[1]]
    if kind in _ROOM:
        return kind
    return f"{_DOORS[symbol[2]][0]} {color} door" if kind == "door" else f"{color} {kind}"


def _look(symbol: Sequence[int], ascii_only: bool) -> tuple[str, str]:
    """Return the two characters of a cell, and their style."""
    kind, color = IDX_TO_OBJECT[symbol[0]], IDX_TO_COLOR[symbol[1]]
    sign = (_DOORS[symbol[2]][1] if kind == "door" else _SIGNS.get(kind, "??"))[ascii_only]
    if kind not in _ROOM:
        letter = " " if color == "grey" else color[0]  # grey is not green
        return f"{sign}{letter}", f"bold {_STYLES[color]}"
    return f"{sign} " if kind in ("empty", "floor") else 2 * sign, _ROOM[kind]
