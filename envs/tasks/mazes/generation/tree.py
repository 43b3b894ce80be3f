"""Mazes as trees of cells: winding corridors one cell wide that never touch, dead ends, and loops where asked for."""

from collections import deque
from collections.abc import Collection, Iterable
from functools import lru_cache

import numpy as np

from engram.envs.visibility import HEADINGS, Cell

_OPEN = 100


def beside(cell: Cell) -> tuple[Cell, ...]:
    """Return the four cells around one: to its right, below, to its left, above."""
    x, y = cell
    return (x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)


def ahead(cell: Cell, heading: int) -> Cell:
    """Return the next cell in a direction, 0 right, 1 down, 2 left, 3 up, counted modulo 4."""
    dx, dy = HEADINGS[heading % 4]
    return cell[0] + dx, cell[1] + dy


@lru_cache(maxsize=8)
def cells_beside(size: int) -> dict[Cell, tuple[Cell, ...]]:
    """List the cells around every cell inside the border of a square grid, those of the border left out."""
    inner = [(x, y) for x in range(1, size - 1) for y in range(1, size - 1)]
    inside = set(inner)
    return {cell: tuple(other for other in beside(cell) if other in inside) for cell in inner}


def grow_tree(
    rng: np.random.Generator, size: int, opened: Collection[Cell], root: Cell, bushy: float = 0.2
) -> list[Cell]:
    """Fill a square grid with a maze that grows from one open cell, and touches neither itself nor what else is open.

    It mostly grows at its newest end and, where that is blocked, from its last branch (depth first): long corridors
    with few dead ends. Sometimes it grows from anywhere: more and shorter corridors.

    Args:
        rng: the random generator.
        size: side of the grid in cells, its border of walls included.
        opened: the cells that are open already.
        root: one of them.
        bushy: how often it grows from anywhere, 0 to 1.

    Returns:
        The new cells in the order in which they were opened.
    """
    around = cells_beside(size)
    # Of every cell inside the border: how many open ones it touches, far more than one for those that are open itself.
    touched = dict.fromkeys(around, 0)
    for place in opened:
        for cell in beside(place):
            if cell in touched:
                touched[cell] += 1
    touched.update((place, _OPEN) for place in opened)
    tree: list[Cell] = []
    growing = [root]
    while growing:
        # One draw of many numbers costs as much as a few single ones.
        for anywhere, chance, choice in rng.random((size, 3)).tolist():
            if not growing:
                break
            number = int(chance * len(growing)) if anywhere < bushy else -1
            options = [cell for cell in around[growing[number]] if touched[cell] == 1]
            if not options:
                growing.pop(number)
                continue
            cell = options[int(choice * len(options))]
            touched[cell] = _OPEN
            for other in around[cell]:
                touched[other] += 1
            tree.append(cell)
            growing.append(cell)
    return tree


def open_loops(rng: np.random.Generator, cells: Iterable[Cell], opened: set[Cell], loops: int) -> list[Cell]:
    """Open walls between two corridors of a maze, each of which closes a loop; as many as asked for, or as there are.

    Args:
        rng: the random generator.
        cells: of the maze, in a fixed order.
        opened: all open cells; the new ones are added.
        loops: how many.

    Returns:
        The new cells.
    """
    maze = list(cells)
    inside = set(maze)
    walls = [
        wall
        for cell in maze
        for heading in (0, 1)
        if (wall := ahead(cell, heading)) not in opened and ahead(wall, heading) in inside
    ]
    found: list[Cell] = []
    for number in rng.permutation(len(walls)).tolist() if loops else ():
        wall = walls[number]
        if len(found) < loops and sum(cell in opened for cell in beside(wall)) == 2:
            opened.add(wall)
            found.append(wall)
    return found


def dead_ends(cells: Iterable[Cell], opened: Collection[Cell]) -> list[Cell]:
    """List the cells with one open neighbor."""
    return [cell for cell in cells if sum(other in opened for other in beside(cell)) == 1]


def walls_beside(cells: Iterable[Cell], opened: Collection[Cell]) -> list[Cell]:
    """List the walls beside some cells, those of the border included, each once and in a fixed order."""
    return list(dict.fromkeys(wall for cell in cells for wall in beside(cell) if wall not in opened))


def distances(opened: Collection[Cell], root: Cell) -> dict[Cell, int]:
    """Count the cells from one to every other that can be reached."""
    found, queue = {root: 0}, deque([root])
    while queue:
        cell = queue.popleft()
        for other in beside(cell):
            if other in opened and other not in found:
                found[other] = found[cell] + 1
                queue.append(other)
    return found
