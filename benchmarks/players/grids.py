"""Players of the tasks with one cue and two choices: Match, Room and MiniGrid's Memory."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from minigrid.envs.memory import MemoryEnv

from benchmarks.players.episode import Env, Played
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.shortest_paths import Pose
from engram.envs.visibility import HEADINGS, Cell

LEFT, RIGHT, AHEAD = range(3)  # the walking actions of the grid tasks


class Choices(NamedTuple):
    """The two ends of a task, as cells (x, y)."""

    doorsteps: tuple[Cell, Cell]
    objects: tuple[Cell, Cell]
    cue: Cell


def choices(env: Env) -> Choices:
    """Locate the cue and the choices of an episode."""
    bare: Any = env.unwrapped
    if isinstance(bare, Match):
        corridor = bare.scene.corridor
        return Choices(corridor.doorsteps, corridor.arms, corridor.path[0])
    assert isinstance(bare, MemoryEnv)
    upper, lower = sorted((bare.success_pos, bare.failure_pos), key=lambda cell: cell[1])
    objects = ((upper[0], upper[1] - 1), (lower[0], lower[1] + 1))
    return Choices((upper, lower), objects, (1, bare.height // 2 - 1))


def oracle(env: Env) -> Played:
    """Walk until the frame shows the cue, read it from the frame, walk to the choice of that kind."""
    observation, info = env.reset()
    bare: Any = env.unwrapped
    scene = choices(env)
    steps = 0
    if not info["cue_visible"]:
        for action in _path(env, lambda pose: _looks_at(env, pose, scene.cue), scene.doorsteps):
            observation, *_, info = env.step(action)
            steps += 1
            if info["cue_visible"]:
                break
    assert info["cue_visible"]
    column, row = bare.relative_coords(*scene.cue)
    cue = tuple(observation[column, row])
    ends = [tuple(np.array(bare.grid.get(*cell).encode(), dtype=np.uint8)) for cell in scene.objects]
    return _walk_to(env, scene, ends.index(cue), steps)


def blind(env: Env, rng: np.random.Generator) -> Played:
    """Walk to one of the two choices by the shortest path: knows everything but the cue."""
    env.reset()
    return _walk_to(env, choices(env), int(rng.integers(2)), 0)


def _walk_to(env: Env, scene: Choices, end: int, steps: int) -> Played:
    goal = scene.doorsteps[end]
    for action in _path(env, lambda pose: pose[0] == goal, (scene.doorsteps[1 - end],)):
        *_, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])
    raise AssertionError("a doorstep ends the episode")


def _looks_at(env: Env, pose: Pose, target: Cell) -> bool:
    """Ask MiniGrid itself what it would show there."""
    bare: Any = env.unwrapped
    kept = bare.agent_pos, bare.agent_dir
    bare.agent_pos, bare.agent_dir = pose
    seen = bool(bare.in_view(*target) and bare.agent_sees(*target))
    bare.agent_pos, bare.agent_dir = kept
    return seen


def _path(env: Env, arrived: Callable[[Pose], bool], forbidden: tuple[Cell, ...]) -> list[int]:
    """Find the fewest actions from where the agent stands to a pose that satisfies ``arrived``."""
    bare: Any = env.unwrapped
    first: Pose = ((int(bare.agent_pos[0]), int(bare.agent_pos[1])), int(bare.agent_dir))
    paths: dict[Pose, list[int]] = {first: []}
    queue = deque([first])
    while queue:
        place, heading = pose = queue.popleft()
        if arrived(pose):
            return paths[pose]
        ahead = (place[0] + HEADINGS[heading][0], place[1] + HEADINGS[heading][1])
        following: list[tuple[int, Pose]] = [(LEFT, (place, (heading + 3) % 4)), (RIGHT, (place, (heading + 1) % 4))]
        if bare.grid.get(*ahead) is None and ahead not in forbidden:
            following.append((AHEAD, (ahead, heading)))
        for action, target in following:
            if target not in paths:
                paths[target] = [*paths[pose], action]
                queue.append(target)
    raise AssertionError("there is no path")
