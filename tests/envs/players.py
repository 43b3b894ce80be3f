"""Scripted players that show what a task is worth without learning: oracles, and cue-blind oracles that guess."""

from collections import deque
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from minigrid.envs.memory import MemoryEnv

from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.tmaze.env import BACK, DOWN, FORWARD, UP
from engram.envs.visibility import HEADINGS, Cell

LEFT, RIGHT, AHEAD = range(3)  # the walking actions of the grid tasks


class Played(NamedTuple):
    success: bool
    steps: int
    layout: str


class Choices(NamedTuple):
    """The two ends of a grid memory task."""

    doorsteps: tuple[Cell, Cell]
    objects: tuple[Cell, Cell]
    cue: Cell


def choices(env: gym.Env) -> Choices:
    bare = env.unwrapped
    if isinstance(bare, Match):
        corridor = bare.scene.corridor
        return Choices(corridor.doorsteps, corridor.arms, corridor.way[0])
    assert isinstance(bare, MemoryEnv)
    upper, lower = sorted((bare.success_pos, bare.failure_pos), key=lambda cell: cell[1])
    objects = ((upper[0], upper[1] - 1), (lower[0], lower[1] + 1))
    return Choices((upper, lower), objects, (1, bare.height // 2 - 1))


def kind_at(env: gym.Env, cell: Cell) -> tuple[str, str]:
    thing = env.unwrapped.grid.get(*cell)
    return thing.type, thing.color


def shown(env: gym.Env, image: np.ndarray, cell: Cell) -> bool:
    """Say whether a frame that MiniGrid drew shows a cell."""
    place = env.relative_coords(*cell)
    return place is not None and image[tuple(place)][0] != 0


def random_episode(env: gym.Env, rng: np.random.Generator) -> Played:
    env.reset()
    steps = 0
    while True:
        *_, terminated, truncated, info = env.step(int(rng.integers(env.action_space.n)))
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])


def grid_oracle(env: gym.Env) -> Played:
    """Walk until the frame shows the cue, read it from the frame, walk to the choice of that kind."""
    observation, info = env.reset()
    scene, bare = choices(env), env.unwrapped
    steps = 0
    if not info["cue_visible"]:
        for action in _way(env, lambda place, heading: _looks_at(env, place, heading, scene.cue), scene.doorsteps):
            observation, *_, info = env.step(action)
            steps += 1
            if info["cue_visible"]:
                break
    assert info["cue_visible"]
    column, row = bare.relative_coords(*scene.cue)
    cue = tuple(observation[column, row])
    ends = [tuple(np.array(bare.grid.get(*cell).encode(), dtype=np.uint8)) for cell in scene.objects]
    return _walk_to(env, scene, ends.index(cue), steps)


def grid_blind(env: gym.Env, rng: np.random.Generator) -> Played:
    """Walk to one of the two choices by the shortest way: knows everything but the cue."""
    env.reset()
    return _walk_to(env, choices(env), int(rng.integers(2)), 0)


def _walk_to(env: gym.Env, scene: Choices, end: int, steps: int) -> Played:
    goal = scene.doorsteps[end]
    for action in _way(env, lambda place, heading: place == goal, (scene.doorsteps[1 - end],)):
        *_, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])
    raise AssertionError("a doorstep ends the episode")


def _looks_at(env: gym.Env, place: Cell, heading: int, target: Cell) -> bool:
    """Ask MiniGrid itself what it would show there."""
    bare = env.unwrapped
    kept = bare.agent_pos, bare.agent_dir
    bare.agent_pos, bare.agent_dir = place, heading
    seen = bare.in_view(*target) and bare.agent_sees(*target)
    bare.agent_pos, bare.agent_dir = kept
    return seen


def _way(env: gym.Env, arrived: Any, forbidden: tuple[Cell, ...]) -> list[int]:
    """Find the fewest actions from where the agent stands to a pose that satisfies ``arrived``."""
    bare = env.unwrapped
    first = (tuple(int(value) for value in bare.agent_pos), int(bare.agent_dir))
    ways: dict[Any, list[int]] = {first: []}
    queue = deque([first])
    while queue:
        place, heading = pose = queue.popleft()
        if arrived(place, heading):
            return ways[pose]
        ahead = (place[0] + HEADINGS[heading][0], place[1] + HEADINGS[heading][1])
        following = [(LEFT, (place, (heading + 3) % 4)), (RIGHT, (place, (heading + 1) % 4))]
        if bare.grid.get(*ahead) is None and ahead not in forbidden:
            following.append((AHEAD, (ahead, heading)))
        for action, target in following:
            if target not in ways:
                ways[target] = [*ways[pose], action]
                queue.append(target)
    raise AssertionError("no way")


def tmaze_oracle(env: gym.Env) -> Played:
    """Remember the cue and nothing else; in the active maze walk back until it shows."""
    observation, _ = env.reset()
    cue, steps = 0, 0
    while True:
        if observation[:2].any():
            cue = UP if observation[0] else DOWN
        forward = cue or not env.unwrapped.offset
        action = cue if observation[3] else FORWARD if forward else BACK
        observation, _, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])


def tmaze_blind(env: gym.Env, rng: np.random.Generator) -> Played:
    """Walk straight to the junction and guess."""
    observation, _ = env.reset()
    steps = 0
    while True:
        action = int(rng.choice((UP, DOWN))) if observation[3] else FORWARD
        observation, _, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])
