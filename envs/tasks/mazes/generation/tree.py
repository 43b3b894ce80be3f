"""Mazes as trees of cells: winding corridors one cell wide that never touch, dead ends, and loops where asked for."""

from collections import Counter, deque
from collections.abc import Collection, Iterable

import numpy as np

from engram.envs.visibility import HEADINGS, Cell


def beside(cell: Cell) -> tuple[Cell, ...]:
    """Return the four cells around one: to its right, below, to its left, above."""
    x, y = cell
    return (x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)


def ahead(cell: Cell, heading: int) -> Cell:
    """Return the next cell in a direction, 0 right, 1 down, 2 left, 3 up, counted modulo 4."""
    dx, dy = HEADINGS[heading % 4]
    return cell[0] + dx, cell[1] + dy


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
    free = {(x, y) for x in range(1, size - 1) for y in range(1, size - 1)} - set(opened)
    open_beside = Counter(cell for place in opened for cell in beside(place))
    tree: list[Cell] = []
    growing = [root]
    while growing:
        # One draw of many numbers costs as much as a few single ones.
        for anywhere, place, choice in rng.random((size, 3)).tolist():
            if not growing:
                break
            number = int(place * len(growing)) if anywhere < bushy else -1
            options = [cell for cell in beside(growing[number]) if cell in free and open_beside[cell] == 1]
            if not options:
                growing.pop(number)
                continue
            cell = options[int(choice * len(options))]
            free.discard(cell)
            open_beside.update(beside(cell))
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
