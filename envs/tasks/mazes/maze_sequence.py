"""Maze sequence: pass signs in the walls, then turn at the forks that follow as they mean, in their order."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from engram.envs.spans import check_span, draw_from
from engram.envs.tasks.mazes.generation.forked_corridor import ForkedCorridor
from engram.envs.tasks.mazes.generation.tree import ahead, beside, walls_beside
from engram.envs.tasks.mazes.grid_task import Look, make_object, seen_together
from engram.envs.tasks.mazes.maze import Maze
from engram.envs.tasks.mazes.shortest_paths import fewest_steps
from engram.envs.visibility import Cell

SIGNS: tuple[Look, Look] = (("key", "yellow"), ("ball", "yellow"))
"""Turn left, turn right."""
_MEANINGLESS: tuple[Look, ...] = tuple(("box", color) for color in ("red", "green", "blue"))
_TRIES_PER_LEG = 20


class Scene(NamedTuple):
    """Where everything is that matters, as cells (x, y)."""

    signs: tuple[Cell, ...]
    forks: tuple[tuple[Cell, Cell], ...]  # the first cells to the left and to the right of each
    turns: tuple[int, ...]  # which of the two is right at each: 0 left, 1 right


class MazeSequence(Maze):
    """A winding corridor past signs in the walls, then through as many forks; the first sign is for the first fork.

    A key means left, a ball means right. Both arms of a fork lead around the same block and on, so that only the sign
    shows which is right; that is drawn independently of the maze. A step into the wrong arm ends the episode; into the
    right one it pays ``1 - 0.9 * steps since the last fork / max_steps``, divided by the number of forks.
    No frame shows a sign and an arm of a fork together. Distractors are boxes in other walls.

    Success: right at every fork. An oracle 1; a cue-blind oracle, which walks straight on and guesses, 2**-cues; a
    random player 0.07 at size 13.

    Info: ``cue_visible`` at every step; ``is_success`` and ``score`` (see `Maze`) at the last.

    Args:
        size: side of the square grid in cells, border included, at least 13; or the smallest and the largest,
            between which it is drawn for each episode.
        cues: signs, and forks; or the fewest and the most, drawn for each episode.
        distractors: boxes in the walls.
        max_steps: the episode is truncated after so many steps; by default 5 size² for every three
            forks begun.
        agent_view_size: side of the agent's view in cells; the promise above holds for this view.
        **kwargs: passed on to ``MiniGridEnv``, such as ``render_mode``.

    Raises:
        ValueError: if the arguments describe no such maze.
    """

    curriculum = ("size", "cues")

    def __init__(
        self,
        size: int | Sequence[int] = 13,
        cues: int | Sequence[int] = 2,
        distractors: int = 0,
        max_steps: int | None = None,
        agent_view_size: int = 3,
        **kwargs: Any,
    ):
        self.numbers_of_cues = check_span("cues", cues, 1)
        self.n_cues = self.numbers_of_cues[1]
        self.scene: Scene
        super().__init__(
            size=size,
            least_size=13,
            mission=_mission,
            legs=self.n_cues,
            distractors=distractors,
            max_steps=max_steps,
            agent_view_size=agent_view_size,
            **kwargs,
        )

    def judged_cells(self) -> tuple[Cell, ...]:
        """Return the cells on which the next step may pay or end the episode."""
        return self.scene.forks[self.legs_done]

    def shortest_solution(self) -> int:
        """Count the fewest steps from this episode's start through all right arms."""
        _, forks, turns = self.scene
        return fewest_steps(self.open_cells - self._wrong_arms(), self.start, forks[-1][turns[-1]])

    def _wrong_arms(self) -> set[Cell]:
        return {fork[1 - turn] for fork, turn in zip(self.scene.forks, self.scene.turns, strict=True)}

    def _judge(self) -> tuple[float, bool | None]:
        place, _ = self.pose
        fork, turn = self.scene.forks[self.legs_done], self.scene.turns[self.legs_done]
        if place not in fork:
            return 0.0, None
        if place != fork[turn]:
            return 0.0, False
        reward = self._end_leg(place, self._wrong_arms())
        return reward, True if self.legs_done == self.legs else None

    def _draw_scene(self, size: int) -> None:
        self.n_cues = self.legs = draw_from(self.np_random, self.numbers_of_cues)
        super()._draw_scene(size)

    def _draw_maze(self, size: int) -> bool:
        rng = self.np_random
        drawn = self._draw_corridor(size)
        if drawn is None:
            return False
        corridor, forks, passed = drawn
        signs = self._draw_signs(passed, corridor.opened)
        walls = [wall for wall in walls_beside(corridor.cells, corridor.opened) if wall not in signs]
        decoys = self._draw_decoys(walls)
        if len(signs) < self.n_cues or decoys is None:
            return False
        arms = [arm for fork in forks for arm in fork]
        if any(seen_together(corridor.opened.union(signs, decoys), corridor.opened, self.agent_view_size, signs, arms)):
            return False
        self._begin(corridor.opened, (corridor.cells[-1], int(rng.integers(4))))
        # What is right comes last: nothing of the maze depends on it.
        turns = tuple(rng.integers(2, size=self.n_cues).tolist())
        looks = [_MEANINGLESS[number] for number in rng.integers(len(_MEANINGLESS), size=len(decoys))]
        cells, all_looks = (*signs, *decoys), (*(SIGNS[turn] for turn in turns), *looks)
        self._fill_grid(self.open_cells, dict(zip(cells, map(make_object, all_looks), strict=True)), self.start)
        self.scene, self.cues = Scene(tuple(signs), tuple(forks), turns), tuple(signs)
        return True

    def _draw_corridor(self, size: int) -> tuple[ForkedCorridor, list[tuple[Cell, Cell]], tuple[Cell, ...]] | None:
        """Draw a corridor, the arms of its forks, and the cells from the start to the first; None if it is blocked."""
        rng = self.np_random
        x, y, back = rng.integers((2, 2, 0), (size - 2, size - 2, 4)).tolist()
        arms = ahead((x, y), back + 1), ahead((x, y), back + 3)
        corridor = ForkedCorridor(size, back, ((x, y),), frozenset(((x, y), *arms)))
        forks = [arms]
        while len(forks) < self.n_cues:
            for _ in range(_TRIES_PER_LEG):
                walked = corridor.walk(rng, int(rng.integers(1, 5)))
                longer = walked and walked.around_block()
                if longer:
                    break
            else:
                return None
            corridor, arms = longer
            forks.append(arms)
        for _ in range(_TRIES_PER_LEG):
            length = 2 * self.n_cues + int(rng.integers(2, size - 5))
            complete = corridor.walk(rng, length)
            if complete:
                return complete, forks[::-1], complete.cells[-2 : -length - 1 : -1]
        return None

    def _draw_signs(self, passed: Sequence[Cell], opened: Collection[Cell]) -> list[Cell]:
        """Draw a wall for each sign, beside every other cell at most and seen from nowhere else; empty if none fit."""
        rng, signs = self.np_random, list[Cell]()
        spare = len(passed) - 2 * self.n_cues + 1  # at least 2, by the length that was walked
        for number, gap in enumerate(sorted(rng.integers(spare + 1, size=self.n_cues).tolist())):
            cell = passed[2 * number + gap]
            walls = [
                wall for wall in walls_beside([cell], opened) if sum(other in opened for other in beside(wall)) == 1
            ]
            if not walls:
                return []
            signs.append(walls[int(rng.integers(len(walls)))])
        return signs


def _mission() -> str:
    return "remember the signs in the walls: a key means left, a ball means right, at one fork after the other"
