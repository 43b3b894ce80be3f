"""What the recall tasks on MiniGrid have in common."""

import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, SupportsFloat

from minigrid.core.actions import Actions
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Key, Wall, WorldObj
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.checks import MOST_SIDE, check_int, check_view_size
from engram.envs.spans import check_span, draw_from
from engram.envs.tasks.mazes.shortest_paths import Pose
from engram.envs.visibility import Cell, Sight, image_shows

KINDS: dict[str, Callable[[str], WorldObj]] = {"key": Key, "ball": Ball, "box": Box}
Look = tuple[str, str]
"""The kind and the color of an object."""
TRIES = 2000
"""Draws of a layout that may fail before its arguments are refused."""
_MEASURED, _FAR_TOO_LONG = 100, 3
"""After so many mazes, each of which takes so many times `max_steps`, the arguments are refused at once."""


class GridTask(MiniGridEnv):
    """A maze in which something is to be remembered, walked by turning left or right and going forward.

    A subclass draws the maze in ``_draw_scene`` and judges every step in ``_judge``. The last info of an
    episode holds ``is_success``, every info ``cue_visible``. Many of a kind are stepped as one (`envs/batched/grid.py`)
    if it names the cells on which it may pay or end, by a method ``judged_cells() -> Collection[Cell]``. Elsewhere it
    may end only from ``judged_step`` on, which changes only where a judged cell is met.

    Args:
        size: side of the square grid in cells, border included; or the smallest and the largest, between which that of
            the maze is drawn for each episode. The grid is the largest, with walls around a smaller maze.
        least_size: the smallest size of this task.
        mission: returns the text of the task, which the agent does not see; a plain function without arguments.
        max_steps: the episode is truncated after so many, a maze that takes longer is drawn again; None for
            what the task allows a maze of its size.
        agent_view_size: side of the agent's view in cells.
        **kwargs: passed on to ``MiniGridEnv``, such as ``render_mode``.
    """

    curriculum: ClassVar[Sequence[str]] = ("size",)
    """Arguments that may be ranges, drawn for each episode; what is trained on one is tested at its end."""
    useful_actions = ("left", "right", "forward")
    mission_changes = False
    cues: Sequence[Cell] = ()
    """Cells that show what has to be remembered, in the order in which it will be needed."""

    def __init__(
        self,
        size: int | Sequence[int],
        least_size: int,
        mission: Callable[[], str],
        max_steps: int | None,
        agent_view_size: int,
        **kwargs: Any,
    ):
        self.sizes = check_span("size", size, least_size, MOST_SIDE)
        self._time_is_given = max_steps is not None
        largest = self.sizes[1]
        super().__init__(
            mission_space=MissionSpace(mission_func=mission),
            grid_size=largest,
            max_steps=self._usual_max_steps(largest) if max_steps is None else check_int("max_steps", max_steps, 1),
            agent_view_size=check_view_size("agent_view_size", agent_view_size, largest),
            see_through_walls=False,
            **kwargs,
        )
        self.mission = mission()

    @abstractmethod
    def _usual_max_steps(self, size: int) -> int:
        """Return after how many steps an episode in a maze of a size is truncated, unless it was said."""

    @abstractmethod
    def _draw_scene(self, size: int) -> None:
        """Draw a maze of a size, lay it out, and put the agent in."""

    @abstractmethod
    def _judge(self) -> tuple[float, bool | None]:
        """Return the reward of the step just taken, and whether the episode ended in success; None if it goes on."""

    @abstractmethod
    def shortest_solution(self) -> int:
        """Count the fewest steps from this episode's start to success."""

    def judged_step(self) -> int:
        """Return the step of the episode from which it may end wherever the agent stands: the last that there is."""
        return self.max_steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(seed=seed, options=options)
        if self._time_is_given:
            tries, fewest = 1, math.inf
            while (takes := self.shortest_solution()) > self.max_steps:
                fewest = min(fewest, takes)
                if tries == TRIES or (tries == _MEASURED and fewest > _FAR_TOO_LONG * self.max_steps):
                    raise ValueError(f"max_steps={self.max_steps} is too few: no maze found that takes no longer")
                observation, info = super().reset(options=options)
                tries += 1
        info["cue_visible"] = self._sees_cue(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        if action > Actions.forward:
            action = Actions.done
        observation, _, _, truncated, info = super().step(action)
        info["cue_visible"] = self._sees_cue(observation)
        reward, success = self._judge()
        if success is not None or truncated:
            info["is_success"] = bool(success)
        return observation, reward, success is not None, truncated and success is None, info

    def _gen_grid(self, width: int, height: int) -> None:
        size = draw_from(self.np_random, self.sizes)
        self._draw_scene(size)
        if not self._time_is_given:
            self.max_steps = self._usual_max_steps(size)

    @property
    def pose(self) -> Pose:
        """Where the agent stands, and where it looks."""
        return (int(self.agent_pos[0]), int(self.agent_pos[1])), int(self.agent_dir)

    def _sees_cue(self, observation: dict[str, Any]) -> bool:
        return any(image_shows(observation["image"], self.agent_pos, self.agent_dir, cue) for cue in self.cues)

    def _fill_grid(self, open_cells: Collection[Cell], things: Mapping[Cell, WorldObj], start: Pose) -> None:
        """Lay out open cells, walls everywhere else, things in either, and the agent."""
        self.grid = Grid(self.width, self.height)
        wall = Wall()
        self.grid.grid = [wall] * (self.width * self.height)
        for x, y in open_cells:
            self.grid.grid[y * self.width + x] = None
        for cell, thing in things.items():
            self.put_obj(thing, *cell)
        self.agent_pos, self.agent_dir = start


def make_object(look: Look) -> WorldObj:
    """Make an object."""
    return KINDS[look[0]](look[1])


def check_objects(objects: Sequence[Look], least: int) -> tuple[Look, ...]:
    """Return the argument `objects`, checked.

    Raises:
        ValueError: if it is not at least so many different pairs of a kind and a color.
    """
    try:
        pairs = tuple((str(kind), str(color)) for kind, color in objects)
    except (TypeError, ValueError):
        raise ValueError(f"objects={objects!r} must be a list of (kind, color) pairs, such as (key, green)") from None
    if len(set(pairs)) < least or len(set(pairs)) != len(pairs):
        number = "two" if least == 2 else str(least)
        raise ValueError(f"objects={list(pairs)} must be at least {number} (kind, color) pairs, all different")
    for kind, color in pairs:
        if kind not in KINDS or color not in COLOR_NAMES:
            raise ValueError(
                f"objects: ({kind}, {color}) must be one of {', '.join(KINDS)} and one of {', '.join(COLOR_NAMES)}"
            )
    return pairs


def seen_together(
    open_cells: Collection[Cell],
    standing: Collection[Cell],
    view_size: int,
    some: Collection[Cell],
    others: Collection[Cell],
) -> Iterator[Cell]:
    """Yield the cells of a group that any frame shows together with a cell of another group, each once.

    Args:
        open_cells: the cells that light passes.
        standing: the cells from which a frame can be seen, with any heading.
        view_size: side of the view.
        some: the group.
        others: the other group; they share no cell.
    """

    def near(place: Cell, cells: Iterable[Cell]) -> list[Cell]:
        # What one frame shows lies less than a view apart.
        x, y = place
        return [cell for cell in cells if abs(cell[0] - x) < view_size and abs(cell[1] - y) < view_size]

    apart = {cell for cell in some if near(cell, others)}
    if not apart:
        return
    sight = Sight(open_cells, view_size)
    for place in standing:
        there = near(place, others)
        if not there or not near(place, apart):
            continue
        for heading in range(4):
            sees = sight.frame(place, heading)
            if any(map(sees, there)):
                found = set(filter(sees, apart))
                yield from found
                apart -= found
        if not apart:
            return
