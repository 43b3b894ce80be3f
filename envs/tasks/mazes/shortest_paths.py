"""Shortest paths in a grid, in actions (turn left, turn right, forward) between poses."""

from collections import deque
from collections.abc import Callable, Collection, Container, Hashable
from typing import TypeAlias, TypeVar

from engram.envs.visibility import HEADINGS, Cell

Pose: TypeAlias = tuple[Cell, int]
"""A cell (x, y) and a heading, 0 right, 1 down, 2 left, 3 up."""
LEFT, RIGHT, FORWARD = range(3)
State = TypeVar("State", bound=Hashable)


def after(pose: Pose, action: int) -> Pose:
    """Return the pose after an action in a grid without walls."""
    (x, y), heading = pose
    if action == FORWARD:
        dx, dy = HEADINGS[heading]
        return (x + dx, y + dy), heading
    return (x, y), (heading + (1 if action == RIGHT else 3)) % 4


def fewest_actions(
    start: State, successor: Callable[[State, int], State | None], arrived: Callable[[State], bool]
) -> list[int] | None:
    """Find the fewest actions from a state to one that satisfies `arrived`, breadth first.

    Args:
        start: where the path begins; if it satisfies `arrived` the path is empty.
        successor: returns the state after an action, None if the action does nothing.
        arrived: whether the path may end in a state.

    Returns:
        The actions, or None if there is no path.
    """
    came_from: dict[State, tuple[State, int]] = {}
    known, queue = {start}, deque([start])
    while queue:
        state = queue.popleft()
        if arrived(state):
            path = []
            while state != start:
                state, action = came_from[state]
                path.append(action)
            return path[::-1]
        for action in (FORWARD, LEFT, RIGHT):
            other = successor(state, action)
            if other is not None and other not in known:
                known.add(other)
                came_from[other] = (state, action)
                queue.append(other)
    return None


def shortest_path(cells: Container[Cell], start: Pose, arrived: Callable[[Pose], bool]) -> list[int] | None:
    """Find the fewest actions from a pose to one that satisfies `arrived`.

    Args:
        cells: those that can be walked on; the start need not be one.
        start, arrived: as in ``fewest_actions``.

    Returns:
        The actions, or None if there is no path.
    """

    def successor(pose: Pose, action: int) -> Pose | None:
        other = after(pose, action)
        return other if action != FORWARD or other[0] in cells else None

    return fewest_actions(start, successor, arrived)


def fewest_steps(cells: Collection[Cell], start: Pose, goal: Cell) -> int:
    """Count the actions of a shortest path from a pose to a cell, whatever the heading there.

    Raises:
        ValueError: if there is no path.
    """
    # A set of cells is one integer, bit y * row + x for a cell, so that a step is taken from all of them at once.
    row = 2 + max(x for x, _ in (*cells, start[0], goal))
    open_cells = sum(1 << y * row + x for x, y in {*cells})
    (x, y), heading = start
    reached = [0, 0, 0, 0]  # by heading
    reached[heading] = 1 << y * row + x
    arrived = 1 << goal[1] * row + goal[0]
    before: list[int] = []
    steps = 0
    while not (reached[0] | reached[1] | reached[2] | reached[3]) & arrived:
        if reached == before:
            raise ValueError(f"there is no path from {start[0]} to {goal}")
        right, down, left, up = before = reached
        turned = (right | left, down | up)  # those that a turn leads to headings 1 and 3, 0 and 2
        reached = [
            right | turned[1] | right << 1 & open_cells,
            down | turned[0] | down << row & open_cells,
            left | turned[1] | left >> 1 & open_cells,
            up | turned[0] | up >> row & open_cells,
        ]
        steps += 1
    return steps
