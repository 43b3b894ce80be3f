"""Shortest paths in a grid, in actions (turn left, turn right, forward) between poses."""

from collections import deque
from collections.abc import Callable, Container, Hashable
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


def fewest_steps(cells: Container[Cell], start: Pose, goal: Cell) -> int:
    """Count the actions of a shortest path from a pose to a cell, whatever the heading there.

    Raises:
        ValueError: if there is no path.
    """
    path = shortest_path(cells, start, lambda pose: pose[0] == goal)
    if path is None:
        raise ValueError(f"there is no path from {start[0]} to {goal}")
    return len(path)
