"""Match: look at an object in a dead end of a winding corridor, walk to its other end, choose the one like it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from minigrid.core.world_object import WorldObj

from engram.envs.checks import check_range
from engram.envs.tasks.mazes.generation.corridor import Corridor, draw_corridor
from engram.envs.tasks.mazes.grid_task import TRIES, GridTask, check_objects, make_object, seen_together
from engram.envs.tasks.mazes.shortest_paths import Pose, after, fewest_actions
from engram.envs.visibility import Cell, Image, in_sight


class Scene(NamedTuple):
    """Where everything stands in one episode, cells as (x, y)."""

    corridor: Corridor
    start: Cell
    heading: int
    right_arm: int  # which arm (0 left, 1 right) holds the object that matches the cue


class Match(GridTask):
    """A winding corridor from a dead end that holds the cue to a junction whose arms hold the choices.

    The corridor is a random path, one cell wide, that never touches itself. The agent starts inside it, at a random
    cell from which the cue cannot be seen whatever the heading, so it has to go and look; no frame shows the cue and a
    choice together. One arm holds an object like the cue, the other a different one; which object is the cue and which
    arm is right are drawn independently of the corridor. Stepping into an arm ends the episode: reward
    ``1 - 0.9 * steps / max_steps`` and ``is_success`` if its object is like the cue, else reward 0. Only left, right
    and forward do anything.

    Success: an oracle 1; a cue-blind oracle, which walks straight to one of the choices, 0.5; a random player 0.39 at
    size 9, 0.33 at size 13.

    Info: ``cue_visible`` at every step, ``is_success`` at the last.

    Args:
        size: side of the square grid in cells, border included, at least 7 and at most 1,000; or the smallest and the
            largest, between which it is drawn for each episode.
        length: fewest and most cells of the corridor, dead end and junction included; None for what fits the size.
        objects: the (kind, color) pairs that the cue and the choices are drawn from, at least two.
        max_steps: the episode is truncated after so many steps; by default 5 size², as in MiniGrid-Memory, so
            that going to look costs little of the reward.
        agent_view_size: side of the agent's view in cells; the guarantees above hold for this view.
        **kwargs: passed on to ``MiniGridEnv``, such as ``render_mode``.

    Raises:
        ValueError: if the arguments describe no such maze.
    """

    least_size = 7

    def __init__(
        self,
        size: int | Sequence[int] = 9,
        length: Sequence[int] | None = None,
        objects: Sequence[tuple[str, str]] = (("key", "green"), ("ball", "green")),
        max_steps: int | None = None,
        agent_view_size: int = 3,
        **kwargs: Any,
    ):
        self.objects = check_objects(objects, 2)
        self.scene: Scene
        super().__init__(size, self.least_size, self.task, max_steps, agent_view_size, **kwargs)
        smallest = self.sizes[0]
        most = _most_cells(smallest)
        self._length = None if length is None else check_range("length", length, 5)
        if self._length and self._length[1] > most:
            raise ValueError(f"length={length} must not be above {most} at size={smallest}")

    def length(self, size: int) -> tuple[int, int]:
        """Return the fewest and the most cells of the corridor in a maze of a size."""
        return self._length or (size - 1, min(2 * size - 4, _most_cells(size)))

    @staticmethod
    def task() -> str:
        """Return what is to be done."""
        return "look at the object in the dead end, then go to the one like it"

    def _usual_max_steps(self, size: int) -> int:
        return 5 * size**2

    def _judge(self) -> tuple[float, bool | None]:
        doorsteps, right_arm = self.scene.corridor.doorsteps, self.scene.right_arm
        if self.agent_pos not in doorsteps:
            return 0.0, None
        right = self.agent_pos == doorsteps[right_arm]
        return (self._reward() if right else 0.0), right

    def judged_cells(self) -> tuple[Cell, ...]:
        """Return the cells on which the next step may pay or end the episode."""
        return self.scene.corridor.doorsteps

    def shortest_solution(self) -> int:
        """Count the fewest steps from this episode's start to a look at the cue, and on to the right object."""
        corridor, start, heading, right_arm = self.scene
        goal = corridor.doorsteps[right_arm]
        cells = set(corridor.open_cells) - {corridor.cue, *corridor.arms, corridor.doorsteps[1 - right_arm]}

        def following(state: tuple[Pose, bool], action: int) -> tuple[Pose, bool] | None:
            before, seen = state
            pose = after(before, action)
            if before[0] == goal or pose[0] not in cells:
                return None
            return pose, seen or self._cue_in_sight(corridor, *pose)

        first = ((start, heading), self._cue_in_sight(corridor, start, heading))
        path = fewest_actions(first, following, lambda state: state[0][0] == goal and state[1])
        assert path is not None, "a corridor joins its ends"
        return len(path)

    def other_cue(self, observation: Image) -> Image:
        """Return the symbols that would be seen had the cue been the object that is wrong in this episode."""
        cells = (self.scene.corridor.cue, self.scene.corridor.arms[1 - self.scene.right_arm])
        cue, wrong = (cast(WorldObj, self.grid.get(*cell)).encode() for cell in cells)
        other = observation.copy()
        other[(observation[..., :2] == cue[:2]).all(-1)] = wrong
        return other

    def _draw_scene(self, size: int) -> None:
        corridor, starts = self._draw_layout(size)
        rng = self.np_random
        start, heading = starts[rng.integers(len(starts))]
        # The cue and the answer are drawn last and independently: nothing of the layout depends on them.
        cue, other = rng.permutation(len(self.objects))[:2].tolist()
        right_arm = int(rng.integers(2))
        self.scene = Scene(corridor, start, heading, right_arm)
        things = {
            corridor.cue: make_object(self.objects[cue]),
            corridor.arms[right_arm]: make_object(self.objects[cue]),
            corridor.arms[1 - right_arm]: make_object(self.objects[other]),
        }
        self._fill_grid(corridor.open_cells, things, (start, heading))
        self.cues = (corridor.cue,)

    def _draw_layout(self, size: int) -> tuple[Corridor, list[Pose]]:
        """Draw a corridor that satisfies the class, and the cells and headings with which the agent may start."""
        for _ in range(TRIES):
            corridor = self._draw_corridor(size)
            if corridor is None or self._shows_both(corridor):
                continue
            starts = self._starts(corridor)
            if starts:
                return corridor, starts
        raise ValueError(
            f"no maze found at size={size} and length={self.length(size)} that hides the cue from a view of"
            f" {self.agent_view_size} cells: use a larger size, a longer one or a smaller view"
        )

    def _draw_corridor(self, size: int) -> Corridor | None:
        """Draw a corridor, or None if it blocked itself."""
        return draw_corridor(self.np_random, size, int(self.np_random.integers(*self.length(size), endpoint=True)))

    def _starts(self, corridor: Corridor) -> list[Pose]:
        """List the cells from which the cue cannot be seen, with every heading."""
        return [
            (cell, heading)
            for cell in corridor.path[1:-1]
            if not any(self._cue_in_sight(corridor, cell, heading) for heading in range(4))
            for heading in range(4)
        ]

    def _shows_both(self, corridor: Corridor) -> bool:
        standing = (*corridor.path[1:], *corridor.doorsteps)
        cells = corridor.open_cells
        return any(seen_together(cells, standing, self.agent_view_size, (corridor.cue,), corridor.arms))

    def _cue_in_sight(self, corridor: Corridor, place: Cell, heading: int) -> bool:
        return in_sight(corridor.open_cells, place, heading, self.agent_view_size, corridor.cue)


def _most_cells(size: int) -> int:
    """Return the longest corridor of a maze of a size that is drawn soon enough."""
    return (size - 2) ** 2 // 3
