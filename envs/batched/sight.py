"""What many agents of MiniGrid see, computed for all at once from tables of their grids."""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engram.envs.visibility import HEADINGS, Image
from engram.envs.wrappers.symbols import EMPTY, SYMBOLS

Numbers = npt.NDArray[np.int64]
WIDEST_VIEW = 9
"""In cells: the table of how light spreads has 4**WIDEST_VIEW entries."""
CUE = 512
"""A bit beside the code of a symbol: what lies there is the cue."""


class Sight:
    """The views of B agents, each in a grid of its own; the grids have one shape.

    Every cell has the code of its symbol, and a *line* that tells through which of the cells beside it, along x or
    along y, light passes. So a view is a look-up of V * V codes and V lines, and light spreads from line to line by a
    look-up, too. Cells are numbered through all grids, margins included.

    Args:
        n_envs: B.
        columns: of a grid in its margin (see `ViewEncoder`).
        rows: likewise.
        view_size: V, odd, at most `WIDEST_VIEW`.
    """

    def __init__(self, n_envs: int, columns: int, rows: int, view_size: int):
        self.area, self._size = columns * rows, view_size
        self.codes = np.zeros((n_envs, self.area), dtype=np.int16)
        self.lines = np.zeros((2, n_envs, self.area), dtype=np.int64)  # along x, along y
        self.lights = _lights(view_size)
        half = np.arange(view_size) - view_size // 2
        ahead_x, ahead_y = np.array(HEADINGS).T
        # Of every heading: steps to the cell ahead, to the middles of the lines [V, 4], to all cells seen [V, 4, V].
        self.ahead = ahead_x * rows + ahead_y
        self.to_lines = np.arange(view_size)[:, None] * self.ahead
        across = half[:, None] * (ahead_x - ahead_y * rows)[None]
        self.to_cells = self.to_lines[:, :, None] + across.T[None]
        # A line along y is the second table; looking left or down, it is seen from its end.
        self.to_lines += np.array((1, 0, 1, 0)) * self.codes.size
        self.mirrored = np.array((0, 1, 1, 0))

    def load(self, row: int, codes: npt.NDArray[np.int16], clear: npt.NDArray[np.bool_], cues: Numbers) -> None:
        """Put in the grid of one agent.

        Args:
            row: of the agent.
            codes: (columns, rows), of the symbols.
            clear: (columns, rows), where light passes.
            cues: cells of this grid, counted from its first, that show the cue.
        """
        self.codes[row] = codes.ravel()
        self.codes[row, cues] |= CUE
        weights = 1 << np.arange(self._size)[::-1]
        # Margins are dark, so that what runs over the end of a line adds nothing.
        self.lines[0, row] = np.convolve(clear.T.ravel(), weights, "same").reshape(clear.shape[::-1]).T.ravel()
        self.lines[1, row] = np.convolve(clear.ravel(), weights, "same")

    def look(self, cells: Numbers, headings: Numbers) -> tuple[Image, npt.NDArray[np.bool_]]:
        """See.

        Args:
            cells: [B] where each agent stands, numbered through all grids.
            headings: [B] 0 right, 1 down, 2 left, 3 up.

        Returns:
            [B, V, V, 3] the images, and [B] whether the cue is in sight.
        """
        spread, masks, palette = self.lights
        size = self._size
        # Lines and cells from the agent's own line on: [V, B], [V, B, V].
        lines = self.lines.take(self.to_lines[:, headings] + cells) << size
        codes = self.codes.take(self.to_cells[:, headings] + cells[:, None])
        light = [np.full(len(cells), 1 << size // 2)]
        for line in lines:
            light.append(spread[line | light[-1]])
        lit = np.array(light)
        codes *= masks[self.mirrored[headings], lit[:-1] | lit[1:]]
        codes[0, :, size // 2] &= CUE
        codes[0, :, size // 2] |= EMPTY  # where the agent stands
        # An image goes by column and row, and the agent's own line is its last row.
        return palette.take(codes[::-1].transpose(1, 2, 0), axis=0), (codes >= CUE).any(axis=(0, 2))


class Lights(NamedTuple):
    """Tables of one size of view."""

    spread: Numbers  # [4**V] of the light and the clear cells of a line (as clear << V | light), the light of the next
    masks: npt.NDArray[np.int16]  # [2, 2**V, V] the lit cells as 0 and 1, and the same mirrored
    palette: Image  # [2 * CUE, 3] the symbol of every code


@cache
def _lights(size: int) -> Lights:
    clear, light = np.arange(1 << size)[:, None], np.arange(1 << size)[None, :]
    source = light & clear
    for _ in range(size):
        source = (source | source << 1 | source >> 1) & clear
    spread = (source | source << 1 | source >> 1) & ((1 << size) - 1)
    masks = (np.arange(1 << size)[:, None] >> np.arange(size) & 1).astype(np.int16)
    palette = np.zeros((2, CUE, 3), dtype=np.uint8)
    palette[:, : len(SYMBOLS)] = SYMBOLS
    return Lights(spread.ravel(), np.stack((masks, masks[:, ::-1])), palette.reshape(-1, 3))
