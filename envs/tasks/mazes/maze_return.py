"""Maze return: find the goal, be put back to the start of the same maze, find it again and faster."""

from collections.abc import Sequence
from typing import Any, SupportsFloat

from minigrid.core.world_object import Goal

from engram.envs.checks import check_int
from engram.envs.tasks.mazes.generation.tree import dead_ends, grow_tree, open_loops, walls_beside
from engram.envs.tasks.mazes.grid_task import Look, check_objects, make_object
from engram.envs.tasks.mazes.maze import OBJECTS, Maze
from engram.envs.tasks.mazes.shortest_paths import Pose, fewest_steps
from engram.envs.visibility import Cell, in_sight

SLACK = 1.5
"""How many times the fewest steps a later trip may take."""
_BUSHY = 0.9
"""Many dead ends, so that searching again costs more than remembering."""


class MazeReturn(Maze):
    """A maze with a goal that is out of sight from the start; on arrival the agent is put back to the start.

    The episode ends after so many trips, all to the same goal through the same maze. Every arrival pays
    ``1 - 0.9 * steps of this trip / max_steps``, divided by the number of trips. The goal is drawn independently of the
    maze, among all dead ends that cannot be seen from the start and are at some distance; it is no part of the layout
    key. Distractors are objects in the walls: landmarks.

    Whoever searches anew on every trip is paid for it, only later; that is a slope on which agents stay. With
    ``strict`` an episode ends, without success, where a later trip can no longer be in time: who remembers is paid for
    more trips. What a success is stays the same.

    Success: every trip after the first took at most 1.5 times the fewest steps. An oracle, which searches the maze once
    and then walks the shortest path, 1. A cue-blind oracle, which knows the maze, not the goal, and on every trip makes
    the best search that there is: 0.67 at size 9, 0.5 at size 13 (going to the nearest cell not seen yet: 0.44 and
    0.26). A random player 0.

    Info: ``cue_visible`` at every step, whether the goal is in sight; ``is_success`` and ``score`` (see `Maze`) at the
    last.

    Args:
        size: side of the square grid in cells, border included, at least 6; or the smallest and the largest,
            between which it is drawn for each episode.
        trips: from the start to the goal, at least 2.
        loops: walls opened in the maze, each of which closes a loop; as many as there are at most.
        distractors: objects in the walls.
        objects: the (kind, color) pairs that these are drawn from.
        max_steps: the episode is truncated after so many steps; by default 5 size² for every three
            trips begun.
        agent_view_size: side of the agent's view in cells.
        strict: whether an episode ends, without success, as soon as a later trip can no longer be in time.
        **kwargs: passed on to ``MiniGridEnv``, such as ``render_mode``.

    Raises:
        ValueError: if the arguments describe no such maze.
    """

    def __init__(
        self,
        size: int | Sequence[int] = 9,
        trips: int = 3,
        loops: int = 0,
        distractors: int = 0,
        objects: Sequence[Look] = OBJECTS,
        max_steps: int | None = None,
        agent_view_size: int = 3,
        strict: bool = False,
        **kwargs: Any,
    ):
        self.loops = check_int("loops", loops, 0)
        self.objects = check_objects(objects, 1)
        if not isinstance(strict, bool):
            raise ValueError(f"strict={strict!r} must be true or false")
        self.strict = strict
        self.goal: Cell = (0, 0)
        self.possible_goals: list[Cell] = []
        """The cells out of which the goal is drawn."""
        self.distractor_cells: list[Cell] = []
        self._fewest, self._in_time = 0, True
        super().__init__(
            size=size,
            least_size=6,
            mission=_mission,
            legs=check_int("trips", trips, 2),
            distractors=distractors,
            max_steps=max_steps,
            agent_view_size=agent_view_size,
            **kwargs,
        )

    def layout_key(self) -> str:
        """Name the maze and the start; the goal is what has to be remembered, and no part of it."""
        return f"return {self.width} {self.start} {sorted(self.open_cells)} {sorted(self.distractor_cells)}"

    def judged_cells(self) -> tuple[Cell, ...]:
        """Return the cells on which the next step may pay or end the episode."""
        return (self.goal,)

    def judged_step(self) -> int:
        """Return the step of the episode from which it may end wherever the agent stands."""
        is_pressed = self.strict and self.legs_done
        return min(self._last_in_time(), self.max_steps) if is_pressed else self.max_steps

    def shortest_solution(self) -> int:
        """Count the fewest steps of all trips of this episode."""
        return self.legs * self._fewest

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        if not terminated and self.pose[0] == self.goal:
            self.agent_pos, self.agent_dir = self._leg_start = self.start
            untyped: Any = self
            observation = untyped.gen_obs()
            info["cue_visible"] = self._sees_cue(observation)
        return observation, reward, terminated, truncated, info

    def _judge(self) -> tuple[float, bool | None]:
        if self.pose[0] != self.goal:
            if self.strict and self.legs_done and self.step_count >= self._last_in_time():
                return 0.0, False
            return 0.0, None
        if self.legs_done and self.step_count > self._last_in_time():
            self._in_time = False
        reward = self._end_leg(self.goal)
        return reward, self._in_time if self.legs_done == self.legs else None

    def _last_in_time(self) -> int:
        """Return the last step of the episode at which this trip would be in time, if it is not the first."""
        return self._steps_before + int(SLACK * self._fewest)

    def _draw_maze(self, size: int) -> bool:
        rng = self.np_random
        x, y, heading = rng.integers((1, 1, 0), (size - 1, size - 1, 4)).tolist()
        start: Pose = ((x, y), heading)
        opened = {start[0]}
        tree = grow_tree(rng, size, tuple(opened), start[0], _BUSHY)
        opened.update(tree)
        tree += open_loops(rng, tree, opened, self.loops)
        decoys = self._draw_decoys(walls_beside(tree, opened))
        if decoys is None:
            return False
        clear = opened.union(decoys)
        goals = [
            cell
            for cell in dead_ends(tree, opened)
            if abs(cell[0] - x) + abs(cell[1] - y) >= size // 2
            and not any(in_sight(clear, start[0], turn, self.agent_view_size, cell) for turn in range(4))
        ]
        if len(goals) < 2:  # else whoever knows the maze knows the goal
            return False
        self._begin(opened, start)
        # The goal and what the objects are come last: nothing of the maze depends on them.
        self.goal = goals[int(rng.integers(len(goals)))]
        looks = [self.objects[number] for number in rng.integers(len(self.objects), size=len(decoys))]
        self._fill_grid(opened, {**dict(zip(decoys, map(make_object, looks), strict=True)), self.goal: Goal()}, start)
        self.possible_goals, self.distractor_cells, self.cues = goals, decoys, (self.goal,)
        self._fewest, self._in_time = fewest_steps(self.open_cells, start, self.goal), True
        return True


def _mission() -> str:
    return "find the goal, again and again"
