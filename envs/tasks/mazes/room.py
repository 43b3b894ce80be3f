"""Room: look at an object in a room, walk down a straight corridor, choose the one like it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from engram.envs.tasks.mazes.generation.corridor import Corridor
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.shortest_paths import Pose
from engram.envs.visibility import HEADINGS, Cell, in_sight

_ROOM = 3  # cells across and deep


class Room(Match):
    """`Match` in a scene like MiniGrid-Memory's, but drawn anew in every episode.

    A room of 3 x 3 cells holds the cue, in any of the cells that do not block the door; a straight corridor of random
    length leads to the junction. Where the scene stands in the grid, which way it points, where the cue lies and where
    the agent starts, in the room or the corridor and with any heading, are random. The first frame never shows the
    cue: the agent has to look for it.

    Success: an oracle 1; a cue-blind oracle 0.5; a random player 0.27 at size 11, 0.24 at size 25.

    Args:
        size: side of the square grid in cells, at least 10; or the smallest and the largest.
        max_steps: the episode is truncated after so many steps; by default 30 for every cell of the grid's side.
        **kwargs: of `Match`, but for `length`.

    Raises:
        ValueError: if the arguments describe no such maze.
    """

    least_size = 10

    def __init__(self, size: int | Sequence[int] = 11, max_steps: int | None = None, **kwargs: Any) -> None:
        if "length" in kwargs:
            raise ValueError("length is not for the room: its corridor is as long as the size allows")
        super().__init__(size=size, max_steps=max_steps, **kwargs)

    @staticmethod
    def task() -> str:
        return "find the object in the room, then go to the one like it behind the corridor"

    def _usual_max_steps(self, size: int) -> int:
        return 30 * size

    def _draw_corridor(self, size: int) -> Corridor:
        rng = self.np_random
        # Along the scene: room, corridor, junction; across it: the arms of the junction reach two cells to each side.
        corridor_length = int(rng.integers(2, size - 2 - _ROOM))
        first = int(rng.integers(1, size - 1 - _ROOM - corridor_length))
        middle = int(rng.integers(3, size - 3))
        turn = int(rng.integers(4))

        ahead_x, ahead_y = HEADINGS[turn]
        first_x, first_y = first, middle
        for _ in range(turn):
            first_x, first_y = size - 1 - first_y, first_x

        def cell(along: int, across: int) -> Cell:
            """Turn coordinates of the scene into those of the grid."""
            return first_x + along * ahead_x - across * ahead_y, first_y + along * ahead_y + across * ahead_x

        room = [cell(along, across) for along in range(_ROOM) for across in (-1, 0, 1)]
        hall = [cell(_ROOM + along, 0) for along in range(corridor_length)]
        junction = _ROOM + corridor_length
        lookouts = [place for place in room if place not in (cell(_ROOM - 1, 0), cell(1, 0))]
        cue = lookouts[int(rng.integers(len(lookouts)))]
        doorsteps = (cell(junction, -1), cell(junction, 1))
        arms = (cell(junction, -2), cell(junction, 2))
        path = (cue, *(place for place in (*room, *hall) if place != cue), cell(junction, 0))
        return Corridor(path, arms, doorsteps, frozenset((*path, *doorsteps, *arms)))

    def _starts(self, corridor: Corridor) -> list[Pose]:
        """List the cells and headings with which the cue is not seen."""
        path = corridor.path
        x, y = path[-1]
        cells = tuple((cell_x - x, cell_y - y) for cell_x, cell_y in (*path, *corridor.doorsteps, *corridor.arms))
        return [(path[number], heading) for number, heading in _hidden(cells, len(path), self.agent_view_size)]


@lru_cache(maxsize=1 << 12)
def _hidden(cells: tuple[Cell, ...], path: int, view_size: int) -> list[tuple[int, int]]:
    """List the numbers of the cells and the headings with which the first cell is not seen.

    Args:
        cells: all that are open, so many of the path from the cue to the junction first; they are counted from the
            junction, so that scenes that differ in place alone share the list.
        path: how many.
        view_size: side of the view.
    """
    open_cells = frozenset(cells)
    return [
        (number, heading)
        for number in range(1, path - 1)
        for heading in range(len(HEADINGS))
        if not in_sight(open_cells, cells[number], heading, view_size, cells[0])
    ]
