"""What the recall mazes have in common: corridors drawn anew, and legs that are scored by the shortest path."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, SupportsFloat

from engram.envs.checks import check_int
from engram.envs.tasks.mazes.grid_task import TRIES, GridTask, Look
from engram.envs.tasks.mazes.shortest_paths import Pose, fewest_steps
from engram.envs.visibility import Cell

OBJECTS: tuple[Look, ...] = tuple(
    (kind, color) for kind in ("key", "ball", "box") for color in ("red", "green", "blue")
)

_PATIENCE = 20
"""Draws that fail before it is checked whether any can succeed."""


class Maze(GridTask):
    """A maze drawn anew in every episode, in which the agent goes from place to place: in legs.

    A leg that is done pays ``1 - 0.9 * steps / max_steps``, as in MiniGrid, divided by the number of legs, ``steps``
    being those of this leg: arriving counts, even by a detour, for a beginner who is hardly paid for it learns to stay
    away. At the last step ``info["score"]`` tells how good the ways were: ``fewest steps / steps``, summed in the same
    way, is success weighted by path length (Anderson et al. 2018, arXiv 1807.06757). A subclass draws the maze in
    ``_draw_maze``.

    Args:
        legs: how many there are in an episode.
        distractors: objects in the walls that mean nothing.
        **kwargs: of `GridTask`.
    """

    def __init__(self, legs: int, distractors: int, **kwargs: Any) -> None:
        self.legs = legs
        self.distractors = check_int("distractors", distractors, 0)
        self.open_cells: frozenset[Cell] = frozenset()
        """The cells on which the agent can stand."""
        self.start: Pose = ((0, 0), 0)
        self.legs_done = 0
        self._score = 0.0
        self._leg_start, self._steps_before = self.start, 0
        super().__init__(**kwargs)

    @abstractmethod
    def _draw_maze(self, size: int) -> bool:
        """Draw a maze and lay it out; return whether this draw succeeded."""

    def _usual_max_steps(self, size: int) -> int:
        """5 size², as in MiniGrid-Memory, for every three legs begun."""
        return 5 * size**2 * -(-self.legs // 3)

    def _draw_scene(self, size: int) -> None:
        for tries in range(TRIES):
            if self._draw_maze(size):
                return
            if tries == _PATIENCE and self._is_hopeless(size):
                break
        raise ValueError(
            f"no maze of size={size} found with distractors={self.distractors} that hides the cues from a view of"
            f" {self.agent_view_size} cells at the choice: use a larger size, a smaller view or fewer objects"
        )

    def _is_hopeless(self, size: int) -> bool:
        """Return whether no draw can succeed, if that is found faster than by drawing on."""
        return False

    def _draw_decoys(self, walls: Sequence[Cell]) -> list[Cell] | None:
        """Draw the walls that hold distractors; None if there are too few."""
        if len(walls) < self.distractors:
            return None
        return [walls[number] for number in self.np_random.permutation(len(walls))[: self.distractors].tolist()]

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        if terminated or truncated:
            info["score"] = self._score
        return observation, reward, terminated, truncated, info

    def _begin(self, open_cells: Collection[Cell], start: Pose) -> None:
        """Keep the maze that was drawn, and begin its first leg."""
        self.open_cells, self.start = frozenset(open_cells), start
        self.legs_done, self._score = 0, 0.0
        self._leg_start, self._steps_before = start, 0

    def _end_leg(self, goal: Cell, forbidden: Collection[Cell] = ()) -> float:
        """Return what the leg pays that has just ended at its goal, and begin the next where the agent stands."""
        fewest = fewest_steps(self.open_cells.difference(forbidden), self._leg_start, goal)
        taken = self.step_count - self._steps_before
        self.legs_done += 1
        self._score += fewest / taken / self.legs
        self._leg_start, self._steps_before = self.pose, self.step_count
        return (1 - 0.9 * (taken / self.max_steps)) / self.legs
