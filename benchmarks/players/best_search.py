"""The best that a player can do in maze return which knows the maze, and on every trip searches for the goal anew.

Until it sees the goal such a player learns nothing: whatever it does is one walk, fixed beforehand. A walk *saves* the
possible goals that it sees early enough to be there in 1.5 times the fewest steps. All are equally likely, so that the
best walk saves most of them: an orienteering problem with deadlines, small enough to be solved exactly. As the goal
stays, it is best to walk the same way on every later trip; success is to have saved the goal.
"""

from collections import deque
from typing import NamedTuple

from engram.envs.tasks.mazes.maze_return import SLACK, MazeReturn
from engram.envs.tasks.mazes.shortest_paths import Pose, after
from engram.envs.visibility import HEADINGS, Cell, in_sight


class Label(NamedTuple):
    """A walk so far, at a time that all labels of a round share."""

    pose: Pose
    saved: int  # bit i for possible goal i
    walk: "tuple[Label, int] | None"  # the label before and the action since


def best_search(maze: MazeReturn) -> tuple[list[int], set[Cell]]:
    """Return a walk that saves most of the goals that are possible in a maze, and these goals."""
    cells, goals = maze.open_cells, maze.possible_goals
    left = [steps_to(cells, goal) for goal in goals]
    # The last step at which a walk that sees a goal from a pose still reaches it in time.
    latest = {
        pose: [int(SLACK * steps[maze.start]) - steps[pose] for steps in left]
        for pose in ((cell, heading) for cell in cells for heading in range(4))
    }
    seen = {pose: _seen(maze, pose) for pose in latest}
    best = Label(maze.start, 0, None)
    # Walks that came to a pose, none later than those that are still to come.
    met: dict[Pose, list[int]] = {pose: [] for pose in latest}
    labels, time = [best], 0
    while labels:
        arrived, time = labels, time + 1
        labels = []
        for label in arrived:
            for action in range(3):
                pose = after(label.pose, action)
                if pose not in latest:
                    continue
                feasible = sum(1 << number for number, last in enumerate(latest[pose]) if time <= last)
                saved = label.saved | feasible & seen[pose]
                following = Label(pose, saved, (label, action))
                best = max(best, following, key=lambda one: one.saved.bit_count())
                if (saved | feasible).bit_count() <= best.saved.bit_count() or any(
                    # Whatever this walk may still save, the other may too, unless it has it already.
                    other.bit_count() - (other & ~saved & feasible).bit_count() >= saved.bit_count()
                    for other in met[pose]
                ):
                    continue
                met[pose].append(saved)
                labels.append(following)
    actions, label = [], best
    while label.walk:
        label, action = label.walk
        actions.append(action)
    return actions[::-1], {goal for number, goal in enumerate(goals) if best.saved >> number & 1}


def steps_to(cells: frozenset[Cell], goal: Cell) -> dict[Pose, int]:
    """Count the fewest steps to a cell from every pose."""
    found = {(goal, heading): 0 for heading in range(4)}
    queue = deque(found)
    while queue:
        pose = queue.popleft()
        (x, y), heading = pose
        dx, dy = HEADINGS[heading]
        for before in (((x - dx, y - dy), heading), ((x, y), (heading + 1) % 4), ((x, y), (heading + 3) % 4)):
            if before not in found and before[0] in cells:
                found[before] = found[pose] + 1
                queue.append(before)
    return found


def _seen(maze: MazeReturn, pose: Pose) -> int:
    """Return the possible goals that are in sight, bit i for number i."""
    clear, view = maze.open_cells.union(maze.distractor_cells), maze.agent_view_size
    (x, y), heading = pose
    return sum(
        1 << number
        for number, goal in enumerate(maze.possible_goals)
        if max(abs(goal[0] - x), abs(goal[1] - y)) < view and in_sight(clear, (x, y), heading, view, goal)
    )
