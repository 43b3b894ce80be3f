"""A random corridor that never touches itself, from a dead end to a junction with two arms."""

from typing import NamedTuple

import numpy as np

from engram.envs.tasks.mazes.generation.tree import cells_beside
from engram.envs.visibility import HEADINGS, Cell


class Corridor(NamedTuple):
    """The open cells of a maze by what they are for, cells as (x, y)."""

    path: tuple[Cell, ...]  # from the dead end, which holds the cue, to the junction, both included
    arms: tuple[Cell, Cell]  # hold the choices, left and right of an agent that walks into the junction
    doorsteps: tuple[Cell, Cell]  # between the junction and each arm
    open_cells: frozenset[Cell]  # all of these

    @property
    def cue(self) -> Cell:
        return self.path[0]


def draw_corridor(rng: np.random.Generator, size: int, length: int) -> Corridor | None:
    """Draw a corridor in a square grid with a border of walls.

    Args:
        rng: the random generator.
        size: side of the grid in cells, border included.
        length: cells from the dead end to the junction, both included; at least 3.

    Returns:
        The corridor, or None if this draw ran into a corner.
    """
    # One draw of many numbers costs as much as a few single ones.
    chances = iter(rng.random(1 + length).tolist())
    beside = cells_beside(size)
    # The junction is drawn in the middle of five cells that lie across the last heading.
    ahead_x, ahead_y = HEADINGS[int(next(chances) * 4)]
    along, across = int(next(chances) * (size - 2)) + 1, int(next(chances) * (size - 6)) + 3
    x, y = (along, across) if ahead_x else (across, along)
    doorsteps = ((x + ahead_y, y - ahead_x), (x - ahead_y, y + ahead_x))
    arms = ((x + 2 * ahead_y, y - 2 * ahead_x), (x - 2 * ahead_y, y + 2 * ahead_x))
    # From the junction backwards, so that the only draws that fail are those that block themselves.
    head = (x - ahead_x, y - ahead_y)
    if head not in beside:
        return None
    path = [(x, y), head]
    # Cells that lie beside the corridor so far, its head apart; it must not come to touch them.
    closed = {cell for part in (path[0], *doorsteps, *arms) for cell in beside[part]}
    while len(path) < length:
        free = [cell for cell in beside[head] if cell not in closed]
        if not free:
            return None
        closed.update(beside[head])
        head = free[int(next(chances) * len(free))]
        path.append(head)
    return Corridor(tuple(reversed(path)), arms, doorsteps, frozenset((*path, *doorsteps, *arms)))
