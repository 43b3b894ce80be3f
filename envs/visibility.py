"""What an agent in a MiniGrid can see: light spreads from its cell, away from it, through clear cells."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Cell = tuple[int, int]
"""A column and a row of a grid."""
Image = npt.NDArray[np.uint8]
"""What an agent sees, (V, V, 3): object, color and state ids by (column, row), as MiniGrid encodes them."""

# Unit step (dx, dy) of each heading: right, down, left, up (y grows downwards).
HEADINGS: tuple[Cell, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))


@lru_cache(maxsize=1 << 15)
def _light_row(lit: int, clear: int, width: int) -> tuple[int, int]:
    """Spread light along one row, through its clear cells and one cell beyond; bit i of an integer is column i.

    Returns:
        The lit cells of this row, and those of the row above that it lights.
    """
    source = lit & clear
    while (wider := (source | source << 1 | source >> 1) & clear) != source:
        source = wider
    spread = (source | source << 1 | source >> 1) & ((1 << width) - 1)
    return lit | spread, spread


def lit_rows(clear_rows: Sequence[int], width: int) -> list[int]:
    """Find the visible cells of a view whose agent stands in the middle of its last row and looks at the first.

    Args:
        clear_rows: per row, from the farthest to the agent's own, the cells that light passes, bit i for column i.
        width: number of columns, odd.

    Returns:
        The visible cells in the same form.
    """
    rows = [0] * len(clear_rows)
    light = 1 << width // 2
    for row in range(len(clear_rows) - 1, -1, -1):
        rows[row], light = _light_row(light, clear_rows[row], width)
    return rows


def visible_mask(clear: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Mask the visible cells of a view.

    Args:
        clear: (columns, rows), True where light passes; the agent stands at (columns // 2, rows - 1).

    Returns:
        (columns, rows, 1), 1 where the cell is visible, else 0.
    """
    columns = len(clear)
    weights = 1 << np.arange(columns, dtype=np.int64)
    lit = np.array(lit_rows((weights @ clear).tolist(), columns), dtype=np.int64)
    mask: npt.NDArray[np.uint8] = ((lit[None, :] >> np.arange(columns)[:, None]) & 1).astype(np.uint8)[..., None]
    return mask


def cell_in_view(position: Sequence[int] | npt.NDArray[Any], heading: int, view_size: int, cell: Cell) -> Cell | None:
    """Locate a cell of the grid in the agent's view.

    Args:
        position: the agent's cell (x, y).
        heading: 0 right, 1 down, 2 left, 3 up.
        view_size: side of the square view, in cells.
        cell: the cell (x, y) looked for.

    Returns:
        (column, row) in the view, or None if it lies outside.
    """
    ahead_x, ahead_y = HEADINGS[heading]
    dx, dy = cell[0] - int(position[0]), cell[1] - int(position[1])
    column = view_size // 2 - dx * ahead_y + dy * ahead_x
    row = view_size - 1 - (dx * ahead_x + dy * ahead_y)
    if 0 <= column < view_size and 0 <= row < view_size:
        return column, row
    return None


def image_shows(
    image: npt.NDArray[np.uint8], position: Sequence[int] | npt.NDArray[Any], heading: int, cell: Cell
) -> bool:
    """Return whether a MiniGrid image shows a given cell: it is not outside the view, and not hidden ("unseen", 0).

    Args:
        image: (V, V, 3) symbols as MiniGrid encodes them.
        position, heading, cell: as in ``cell_in_view``.
    """
    place = cell_in_view(position, heading, len(image), cell)
    return place is not None and bool(image[place][0] != 0)


def in_sight(open_cells: Container[Cell], place: Cell, heading: int, view_size: int, target: Cell) -> bool:
    """Return whether an agent would see a cell, in a grid of which light passes only some cells.

    Args:
        open_cells: the cells (x, y) that light passes.
        place, heading, view_size, target: as in ``cell_in_view``.
    """
    seen_at = cell_in_view(place, heading, view_size, target)
    if seen_at is None:
        return False
    ahead_x, ahead_y = HEADINGS[heading]
    half = view_size // 2
    light, lit = 1 << half, 0
    # Row by row from the agent's own to the target's: in a maze it is mostly dark before.
    for row in range(view_size - seen_at[1]):
        if not light:
            return False
        clear = sum(
            1 << column
            for column in range(view_size)
            if (
                place[0] + row * ahead_x - (column - half) * ahead_y,
                place[1] + row * ahead_y + (column - half) * ahead_x,
            )
            in open_cells
        )
        lit, light = _light_row(light, clear, view_size)
    return bool(lit >> seen_at[0] & 1)


class Sight:
    """The same as `in_sight`, for many frames and targets in one grid.

    Args:
        open_cells: the cells (x, y) that light passes.
        view_size: side of the square view, in cells.
    """

    def __init__(self, open_cells: Iterable[Cell], view_size: int):
        self._view_size = view_size
        # The same cells in rows (by y, bit x) and in columns (by x, bit y), each bit half a view up, so that a view
        # that ends beyond the grid begins at a bit from 0 on.
        self._rows: dict[int, int] = defaultdict(int)
        self._columns: dict[int, int] = defaultdict(int)
        for x, y in open_cells:
            self._rows[y] |= 1 << (x + view_size // 2)
            self._columns[x] |= 1 << (y + view_size // 2)

    def frame(self, place: Cell, heading: int) -> Callable[[Cell], bool]:
        """Return a function from a cell to whether an agent with this pose sees it."""
        is_upright = heading in (1, 3)
        lines, (across, along) = (self._rows, place) if is_upright else (self._columns, place[::-1])
        left, inside = across - self._view_size // 2, (1 << self._view_size) - 1
        light, lit = 1 << self._view_size // 2, defaultdict[int, int](int)
        for line in range(along, along + self._view_size * sum(HEADINGS[heading]), sum(HEADINGS[heading])):
            if not light:
                break
            lit[line], light = _light_row(light, lines[line] >> across & inside, self._view_size)

        def sees(cell: Cell) -> bool:
            bit, line = cell if is_upright else cell[::-1]
            return bit >= left and bool(lit[line] >> (bit - left) & 1)

        return sees
