"""Maze match: see objects in a dead end, find the fork at the other end, choose the one seen before."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from minigrid.core.world_object import WorldObj

from engram.envs.checks import check_int
from engram.envs.tasks.mazes.generation.tree import ahead, beside, distances, grow_tree, open_loops, walls_beside
from engram.envs.tasks.mazes.grid_task import Look, check_objects, make_object, seen_together
from engram.envs.tasks.mazes.maze import OBJECTS, Maze
from engram.envs.tasks.mazes.shortest_paths import Pose, fewest_steps
from engram.envs.visibility import Cell, Image, Sight

_AROUND = (0, 3, 1)
"""Where the cues are, in turns to the right: ahead, left, right."""
_LOOKED_THROUGH = 100
"""Mazes without a possible start after which the arguments are refused."""


class Fork(NamedTuple):
    """Where the choice is made, as cells (x, y)."""

    entrance: Cell
    node: Cell
    doorsteps: tuple[Cell, ...]  # the last cells of the arms; a step onto one ends the episode
    choices: tuple[Cell, ...]  # hold the objects, behind the doorsteps


class Scene(NamedTuple):
    """Where everything is that matters, as cells (x, y)."""

    cues: tuple[Cell, ...]  # in the walls around the start
    fork: Fork
    right: int  # which of the choices is one of the cues


class MazeMatch(Maze):
    """A maze from a dead end, in whose walls objects are seen at the start, to a fork where one of them is met again.

    The agent starts in a dead end, facing its end. The objects in the walls around it, all in its first frame, are the
    cues. Somewhere else in the maze is a fork whose arms hold the choices: one object like one of the cues, the others
    like none of them. Which object is where, which cue is asked for and which arm is right are drawn independently of
    the maze. Stepping towards a choice ends the episode; the right one pays ``1 - 0.9 * steps / max_steps``, any
    other nothing. No frame shows a cue and a choice together; the agent may walk back and look again. Distractors are
    objects of the same kinds in other walls.

    Success: an oracle 1; a cue-blind oracle, which walks straight to one of the choices, 1/choices; a random player
    0.06 at size 9, 0.02 at size 13, none beyond.

    Info: ``cue_visible`` at every step; ``is_success`` and ``score`` (see `Maze`) at the last.

    Args:
        size: side of the square grid in cells, border included, at least 9; or the smallest and the largest,
            between which it is drawn for each episode.
        cues: objects seen at the start, 1 to 3.
        choices: objects to choose from at the fork, 2 or 3.
        loops: walls opened in the maze, each of which closes a loop; as many as there are at most.
        distractors: objects in the walls elsewhere.
        objects: the (kind, color) pairs that all are drawn from, at least cues + choices - 1.
        max_steps: the episode is truncated after so many steps; by default 5 size².
        agent_view_size: side of the agent's view in cells; the promise above holds for this view.
        **kwargs: passed on to ``MiniGridEnv``, such as ``render_mode``.

    Raises:
        ValueError: if the arguments describe no such maze.
    """

    def __init__(
        self,
        size: int | Sequence[int] = 9,
        cues: int = 1,
        choices: int = 2,
        loops: int = 0,
        distractors: int = 0,
        objects: Sequence[Look] = OBJECTS,
        max_steps: int | None = None,
        agent_view_size: int = 3,
        **kwargs: Any,
    ):
        self.n_cues = check_int("cues", cues, 1, 3)  # a dead end has three walls
        self.n_choices = check_int("choices", choices, 2, 3)  # a fork has three arms
        self.loops = check_int("loops", loops, 0)
        self.objects = check_objects(objects, cues + choices - 1)
        self.scene: Scene
        super().__init__(
            size=size,
            least_size=9,
            mission=_mission,
            legs=1,
            distractors=distractors,
            max_steps=max_steps,
            agent_view_size=agent_view_size,
            **kwargs,
        )

    def judged_cells(self) -> tuple[Cell, ...]:
        """Return the cells on which the next step may pay or end the episode."""
        return self.scene.fork.doorsteps

    def shortest_solution(self) -> int:
        """Count the fewest steps from this episode's start to the right choice."""
        _, fork, right = self.scene
        wrong = (*fork.doorsteps[:right], *fork.doorsteps[right + 1 :])
        return fewest_steps(self.open_cells.difference(wrong), self.start, fork.doorsteps[right])

    def other_cue(self, observation: Image) -> Image:
        """Return the symbols that would be seen had the cue been the (first) wrong choice of this episode."""
        _, fork, right = self.scene
        cells = (fork.choices[right], fork.choices[0 if right else 1])
        cue, wrong = (cast(WorldObj, self.grid.get(*cell)).encode() for cell in cells)
        other = observation.copy()
        other[(observation[..., :2] == cue[:2]).all(-1)] = wrong
        return other

    def _judge(self) -> tuple[float, bool | None]:
        _, fork, right = self.scene
        place, _ = self.pose
        if place not in fork.doorsteps:
            return 0.0, None
        if place != fork.doorsteps[right]:
            return 0.0, False
        return self._end_leg(place, (*fork.doorsteps[:right], *fork.doorsteps[right + 1 :])), True

    def _draw_maze(self, size: int) -> bool:
        rng = self.np_random
        fork, opened, tree = self._draw_corridors(rng, size)
        starts = self._starts(size, tree, opened, fork)
        if not starts:
            return False
        place, heading = start = starts[int(rng.integers(len(starts)))]
        cues = self._cues_around(start)
        walls = walls_beside((cell for cell in tree if cell != place), opened.union(beside(place)))
        # Only cues in the first frame: objects in walls let light through, so that some would be seen from far.
        sees = Sight(opened.union(cues, walls), self.agent_view_size).frame(place, heading)
        decoys = self._draw_decoys([wall for wall in walls if not sees(wall)])
        if decoys is None:
            return False
        standing = opened.difference(fork.choices)
        if any(seen_together(opened.union(cues, decoys), standing, self.agent_view_size, cues, fork.choices)):
            return False
        self._begin(standing, start)
        self._place(cues, fork, decoys)
        return True

    def _is_hopeless(self, size: int) -> bool:
        """Return whether in many mazes some frame shows a cue and a choice, wherever the start.

        The mazes are always the same, so that arguments are refused for good or never.
        """
        rng = np.random.default_rng(0)
        for _ in range(_LOOKED_THROUGH):
            fork, opened, tree = self._draw_corridors(rng, size)
            starts = [self._cues_around(start) for start in self._starts(size, tree, opened, fork)]
            standing = [cell for cell in distances(opened, fork.node) if cell not in fork.choices]
            cues = {cue for cues in starts for cue in cues}
            seen = set(seen_together(opened, standing, self.agent_view_size, cues, fork.choices))
            enough = len(walls_beside(tree, opened)) >= self.distractors
            if enough and not all(seen.intersection(cues) for cues in starts):
                return False
        return True

    def _draw_corridors(self, rng: np.random.Generator, size: int) -> tuple[Fork, set[Cell], list[Cell]]:
        """Draw a fork and the maze around it; return the fork, all open cells, and those that are not of the fork."""
        fork = self._draw_fork(rng, size)
        opened = {fork.entrance, fork.node, *fork.doorsteps, *fork.choices}
        tree = grow_tree(rng, size, tuple(opened), fork.entrance)
        opened.update(tree)
        tree += open_loops(rng, tree, opened, self.loops)
        return fork, opened, tree

    def _draw_fork(self, rng: np.random.Generator, size: int) -> Fork:
        """Draw a fork that fits, entered with any heading."""
        turns = (3, 1) if self.n_choices == 2 else (3, 0, 1)
        while True:
            x, y, heading = rng.integers((1, 1, 0), (size - 1, size - 1, 4)).tolist()
            entrance = ahead((x, y), heading + 2)
            doorsteps = tuple(ahead((x, y), heading + turn) for turn in turns)
            choices = tuple(ahead(step, heading + turn) for step, turn in zip(doorsteps, turns, strict=True))
            if all(0 < cell_x < size - 1 and 0 < cell_y < size - 1 for cell_x, cell_y in (entrance, *choices)):
                return Fork(entrance, (x, y), doorsteps, choices)

    def _starts(self, size: int, tree: list[Cell], opened: set[Cell], fork: Fork) -> list[Pose]:
        """List the places in the farther half of the maze that face a wall, with more walls beside for more cues."""
        if len(tree) < (size - 2) ** 2 // 3:
            return []  # the fork blocks the rest of the grid
        far = distances(opened, fork.node)
        least = max(far[cell] for cell in tree) / 2
        turns = _AROUND[: self.n_cues]
        walls = [(cell, [other not in opened for other in beside(cell)]) for cell in tree if far[cell] >= least]
        return [
            (cell, heading)
            for cell, is_wall in walls
            for heading in range(4)
            if all(is_wall[(heading + turn) % 4] for turn in turns)
        ]

    def _cues_around(self, start: Pose) -> tuple[Cell, ...]:
        place, heading = start
        return tuple(ahead(place, heading + turn) for turn in _AROUND[: self.n_cues])

    def _place(self, cues: tuple[Cell, ...], fork: Fork, decoys: list[Cell]) -> None:
        """Draw what the objects are, last and independently: nothing of the layout depends on it."""
        rng, objects = self.np_random, self.objects
        looks = [objects[number] for number in rng.permutation(len(objects))[: len(cues) + len(fork.choices) - 1]]
        shown, offered = looks[: len(cues)], looks[len(cues) :]
        right = int(rng.integers(len(fork.choices)))
        offered.insert(right, shown[int(rng.integers(len(shown)))])
        meaningless = [objects[number] for number in rng.integers(len(objects), size=len(decoys))]
        cells, all_looks = (*cues, *fork.choices, *decoys), (*shown, *offered, *meaningless)
        self._fill_grid(self.open_cells, dict(zip(cells, map(make_object, all_looks), strict=True)), self.start)
        self.scene, self.cues = Scene(cues, fork, right), cues


def _mission() -> str:
    return "look at the objects, then find the fork and choose the one that you have seen"
