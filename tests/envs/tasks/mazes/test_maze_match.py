"""Maze match: all cues in the first frame, none beside a choice, and nothing but the cue tells the answer."""

from itertools import product

import pytest
from grid_probes import shown
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.tasks.mazes.maze_match import MazeMatch

MAZES = st.fixed_dictionaries(
    {
        "size": st.sampled_from((9, 10, 11, 13)),
        "cues": st.integers(1, 3),
        "choices": st.integers(2, 3),
        "loops": st.integers(0, 3),
        "distractors": st.integers(0, 3),
    }
)


@given(MAZES, st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_what_its_frames_show(arguments, seed):
    env = MazeMatch(**arguments)
    observation, info = env.reset(seed=seed)
    cues, fork, right = env.scene
    assert len(cues) == arguments["cues"]
    assert len(fork.choices) == arguments["choices"]
    assert all(shown(env, observation["image"], cue) for cue in cues)
    first = [thing for thing in observation["image"][..., 0].flatten() if thing in (5, 6, 7)]
    assert len(first) == len(cues)  # and no distractor
    assert info["cue_visible"]
    for place, heading in product(env.open_cells, range(4)):
        env.agent_pos, env.agent_dir = place, heading
        image = MiniGridEnv.gen_obs(env)["image"]
        assert not (any(shown(env, image, cue) for cue in cues) and any(shown(env, image, end) for end in fork.choices))
    looks = [env.grid.get(*cell).encode() for cell in cues]
    offered = [env.grid.get(*cell).encode() for cell in fork.choices]
    assert len(set(looks)) == len(looks)
    assert [look in looks for look in offered] == [number == right for number in range(len(offered))]
    assert len(set(offered)) == len(offered)
    things = [thing for thing in env.grid.grid if thing is not None and thing.type != "wall"]
    assert len(things) == len(cues) + len(offered) + arguments["distractors"]


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_wider_view_is_kept_apart_too(seed):
    env = MazeMatch(size=17, agent_view_size=7)
    env.reset(seed=seed)
    cues, fork, _ = env.scene
    for place, heading in product(env.open_cells, range(4)):
        env.agent_pos, env.agent_dir = place, heading
        image = MiniGridEnv.gen_obs(env)["image"]
        assert not (any(shown(env, image, cue) for cue in cues) and any(shown(env, image, end) for end in fork.choices))


def test_start_and_fork_are_far_apart():
    env = MazeMatch(size=13)
    for seed in range(30):
        env.reset(seed=seed)
        assert env.shortest_solution() >= 12


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"size": 8}, "size=8 must be a whole number from 9 to 1000"),
        ({"size": 9.5}, "size=9.5 must be a whole number from 9 to 1000"),
        ({"cues": 4}, "cues=4 must be a whole number from 1 to 3"),
        ({"cues": 0}, "cues=0 must be a whole number from 1 to 3"),
        ({"choices": 1}, "choices=1 must be a whole number from 2 to 3"),
        ({"loops": -1}, "loops=-1 must be a whole number of at least 0"),
        ({"distractors": True}, "distractors=True must be a whole number of at least 0"),
        ({"objects": [("key",), ("ball", "red")]}, "must be a list of .* pairs"),
        ({"max_steps": 0}, "max_steps=0 must be a whole number of at least 1"),
        ({"agent_view_size": 4}, "agent_view_size=4 must be an odd number of cells, 3 or more"),
        ({"objects": [("key", "red"), ("key", "red")]}, "must be at least two .* pairs, all different"),
        ({"cues": 3, "objects": [("key", "red"), ("ball", "red")]}, "must be at least 4 .* pairs, all different"),
        ({"objects": [("key", "red"), ("cat", "red")]}, r"objects: \(cat, red\) must be one of key, ball, box"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, line):
    with pytest.raises(ValueError, match=line):
        MazeMatch(**arguments)


@pytest.mark.parametrize("arguments", [{"agent_view_size": 9}, {"distractors": 200}])
def test_what_cannot_be_drawn_is_refused_at_the_reset(arguments):
    env = MazeMatch(**arguments)
    with pytest.raises(ValueError, match=r"no maze of size=9 found .* use a larger size, a smaller view or fewer"):
        env.reset(seed=0)


class Counted(MazeMatch):
    draws = 0

    def _draw_maze(self, size):
        self.draws += 1
        return super()._draw_maze(size)


@pytest.mark.parametrize(
    "arguments",
    [
        {"agent_view_size": 9},
        {"size": 25, "distractors": 6, "loops": 4, "agent_view_size": 49},
        {"cues": 3, "agent_view_size": 17},
        {"distractors": 200},
    ],
)
def test_what_no_maze_has_is_refused_after_few_draws(arguments):
    env = Counted(**arguments)
    with pytest.raises(ValueError, match="no maze of size="):
        env.reset(seed=0)
    assert env.draws < 50


@pytest.mark.parametrize("arguments", [{"agent_view_size": 7}, {"size": 13, "agent_view_size": 11}])
def test_what_few_mazes_have_is_drawn_however_long_it_takes(arguments):
    env = Counted(**arguments)
    most = 0
    for seed in range(25):
        before = env.draws
        env.reset(seed=seed)
        most = max(most, env.draws - before)
    assert most > 50
