"""What would have been seen had the cue been another: what an agent's memory is made to show instead."""

from itertools import product

import numpy as np
import pytest
from grid_probes import shown
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.tasks.mazes.room import Room
from engram.envs.tasks.tmaze.env import BACK, DOWN, FORWARD, UP, TMaze

GRIDS = {
    "match": lambda: Match(size=9),
    "match of boxes": lambda: Match(size=13, objects=[("box", "red"), ("key", "red"), ("key", "blue")]),
    "room": lambda: Room(size=11),
    "maze": lambda: MazeMatch(size=9),
    "maze of three": lambda: MazeMatch(size=11, cues=3, choices=3, loops=1),
}


@given(st.integers(0, 10**6), st.booleans(), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_in_the_t_maze_it_is_the_frame_of_the_other_answer(seed, active, noise, distractors):
    env = TMaze(delay=(5, 11), active=active, noise=noise, distractors=distractors)
    seen, info = env.reset(seed=seed)
    cues = 0
    for _ in range(env.shortest_solution()):
        other = env.other_cue(seen)
        assert np.array_equal(env.other_cue(other), seen)
        assert np.array_equal(other[2:], seen[2:])  # false cues and noise are not the cue
        assert np.array_equal(other, seen) != info["cue_visible"]
        if info["cue_visible"]:
            cues += 1
            assert other[:2].tolist() == [float(env.episode().answer == DOWN), float(env.episode().answer == UP)]
            if not noise:
                env._answer = UP + DOWN - env._answer
                assert np.array_equal(env._observe()[0], other)
                env._answer = UP + DOWN - env._answer
        kept = seen.copy()
        seen, _, _, _, info = env.step(BACK if active and not cues else FORWARD)
        assert not np.shares_memory(kept, seen)
    assert cues == 1


def scene(env):
    """The cues, which of them is asked for, and the choices, the right one first."""
    if isinstance(env, MazeMatch):
        cues, fork, right = env.scene
        choices = [fork.choices[right], *(cell for cell in fork.choices if cell != fork.choices[right])]
        looks = [env.grid.get(*cell).encode() for cell in cues]
        return cues, cues[looks.index(env.grid.get(*choices[0]).encode())], choices
    corridor, right = env.scene.corridor, env.scene.right_arm
    return [corridor.cue], corridor.cue, [corridor.arms[right], corridor.arms[1 - right]]


def frames(env):
    """Every frame, drawn by MiniGrid itself."""
    for place, heading in product(env.open_cells if isinstance(env, MazeMatch) else standing(env), range(4)):
        env.agent_pos, env.agent_dir = place, heading
        yield MiniGridEnv.gen_obs(env)["image"]


def standing(env):
    corridor = env.scene.corridor
    return [*corridor.path[1:], *corridor.doorsteps]


@given(st.sampled_from(sorted(GRIDS)), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_in_a_grid_the_wrong_object_is_where_the_cue_was_and_nothing_else_changes(name, seed):
    env = GRIDS[name]()
    env.reset(seed=seed)
    _, cue, (right, *others) = scene(env)
    found = 0
    for image in frames(env):
        kept, other = image.copy(), env.other_cue(image)
        assert np.array_equal(image, kept)
        assert other.dtype == image.dtype
        if shown(env, image, cue):
            found += 1
            thing = env.grid.get(*cue)
            env.grid.set(*cue, env.grid.get(*others[0]))
            assert np.array_equal(MiniGridEnv.gen_obs(env)["image"], other)
            env.grid.set(*cue, thing)
            changed = np.argwhere((other != image).any(-1))
            assert changed.tolist() == [list(env.relative_coords(*cue))]
        elif not shown(env, image, right):
            assert np.array_equal(other, image)
    assert found


@pytest.mark.parametrize("seed", range(7))
def test_no_other_cue_is_one_of_those_that_are_shown(seed):
    env = MazeMatch(size=11, cues=3, choices=3)
    image = env.reset(seed=seed)[0]["image"]
    cues, cue, _ = scene(env)
    looks = [env.grid.get(*cell).encode() for cell in cues]
    row, column = env.relative_coords(*cue)
    assert tuple(env.other_cue(image)[row, column]) not in looks
    assert tuple(image[row, column]) in looks


@pytest.mark.parametrize("seed", range(7))
def test_distractors_do_not_mix_with_the_cue_in_the_first_frame(seed):
    env = MazeMatch(size=13, distractors=5)
    image = env.reset(seed=seed)[0]["image"]
    _, cue, _ = scene(env)
    assert np.argwhere((env.other_cue(image) != image).any(-1)).tolist() == [list(env.relative_coords(*cue))]
