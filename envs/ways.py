"""Walking in a grid: the fewest actions (turn left, turn right, forward) between poses."""

from collections import deque
from collections.abc import Callable, Container
from typing import TypeAlias

from envs.visibility import HEADINGS, Cell

Pose: TypeAlias = tuple[Cell, int]
"""A cell (x, y) and a heading, 0 right, 1 down, 2 left, 3 up."""
LEFT, RIGHT, FORWARD = range(3)


def after(pose: Pose, action: int) -> Pose:
    """Return the pose after an action in a grid without walls."""
    (x, y), heading = pose
    if action == FORWARD:
        dx, dy = HEADINGS[heading]
        return (x + dx, y + dy), heading
    return (x, y), (heading + (1 if action == RIGHT else 3)) % 4


def shortest_way(cells: Container[Cell], start: Pose, arrived: Callable[[Pose], bool]) -> list[int] | None:
    """Find the fewest actions from a pose to one that satisfies `arrived`.

    Args:
        cells: those that can be walked on; the start need not be one.
        start: where the way begins; if it has arrived already the way is empty.
        arrived: says of a pose whether the way may end there.

    Returns:
        The actions, or None if there is no way.
    """
    came_from: dict[Pose, tuple[Pose, int]] = {}
    known, queue = {start}, deque([start])
    while queue:
        pose = queue.popleft()
        if arrived(pose):
            way = []
            while pose != start:
                pose, action = came_from[pose]
                way.append(action)
            return way[::-1]
        for action in (FORWARD, LEFT, RIGHT):
            following = after(pose, action)
            if following not in known and (action != FORWARD or following[0] in cells):
                known.add(following)
                came_from[following] = (pose, action)
                queue.append(following)
    return None


def fewest_steps(cells: Container[Cell], start: Pose, goal: Cell) -> int:
    """Count the actions of a shortest way from a pose to a cell, whatever the heading there.

    Raises:
        ValueError: if there is no way.
    """
    way = shortest_way(cells, start, lambda pose: pose[0] == goal)
    if way is None:
        raise ValueError(f"there is no way from {start[0]} to {goal}")
    return len(way)
