"""A winding corridor with forks, whose arms lead around a block and meet again."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from engram.envs.tasks.mazes.generation.tree import ahead
from engram.envs.visibility import Cell

_TURNS = (0, 0, 0, 1, 3)  # mostly straight on: a corridor that curls up blocks itself


class ForkedCorridor(NamedTuple):
    """A corridor under construction, from its end towards the start, that winds and touches nothing."""

    size: int  # side of the grid in cells
    back: int  # the direction in which it goes on, away from the end
    cells: tuple[Cell, ...]  # in the order in which they were opened, those around blocks left out
    opened: frozenset[Cell]  # all of them

    def walk(self, rng: np.random.Generator, length: int) -> "ForkedCorridor | None":
        """Go on for so many cells, straight at first; None if it is blocked."""
        back, cells, opened = self.back, list(self.cells), set(self.opened)
        turns: Sequence[int] = (0,)
        for chance in rng.random(length).tolist():
            fitting = [turn for turn in turns if self._fits(ahead(cells[-1], back + turn), 1, opened)]
            if not fitting:
                return None
            back += fitting[int(chance * len(fitting))]
            cells.append(ahead(cells[-1], back))
            opened.add(cells[-1])
            turns = _TURNS
        return self._replace(back=back, cells=tuple(cells), opened=frozenset(opened))

    def around_block(self) -> "tuple[ForkedCorridor, tuple[Cell, Cell]] | None":
        """Go around a block on both sides to a fork; return the first cells of its arms, too."""
        back = self.back
        behind = ahead(self.cells[-1], back)
        block = ahead(behind, back)
        fork = ahead(block, back)
        beside_all = [(ahead(cell, back + 1), ahead(cell, back + 3)) for cell in (behind, block, fork)]
        around = [cell for pair in beside_all for cell in pair]
        fits = self._fits(behind, 1, self.opened)
        if not fits or not all(self._fits(cell, 0, self.opened) for cell in (block, fork, *around)):
            return None
        opened = self.opened.union((behind, fork), around)
        return self._replace(cells=(*self.cells, fork), opened=opened), beside_all[-1]

    def _fits(self, cell: Cell, touching: int, opened: Collection[Cell]) -> bool:
        """Return whether a cell inside the border can be opened, with exactly so many open neighbors."""
        x, y = cell
        if not (0 < x < self.size - 1 and 0 < y < self.size - 1) or cell in opened:
            return False
        return ((x + 1, y) in opened) + ((x, y + 1) in opened) + ((x - 1, y) in opened) + (
            (x, y - 1) in opened
        ) == touching
