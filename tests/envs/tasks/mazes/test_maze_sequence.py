"""Maze sequence: signs are passed before the forks, in their order, and nothing but they tells the turns."""

from itertools import product

import numpy as np
import pytest
from grid_probes import shown
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.minigrid_env import MiniGridEnv

from benchmarks.players.mazes import Game
from engram.envs import make_env
from engram.envs.tasks.mazes.generation.tree import beside, distances
from engram.envs.tasks.mazes.maze_sequence import SIGNS, MazeSequence
from engram.envs.tasks.mazes.shortest_paths import after, shortest_path

MAZES = st.fixed_dictionaries(
    {"size": st.sampled_from((13, 14, 17)), "cues": st.integers(1, 2), "distractors": st.integers(0, 3)}
)


@given(MAZES, st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_geometry(arguments, seed):
    env = MazeSequence(**arguments)
    env.reset(seed=seed)
    signs, forks, turns = env.scene
    assert len(signs) == len(forks) == len(turns) == arguments["cues"]
    for place, heading in product(env.open_cells, range(4)):
        env.agent_pos, env.agent_dir = place, heading
        image = MiniGridEnv.gen_obs(env)["image"]
        arms = [arm for fork in forks for arm in fork]
        assert not (any(shown(env, image, sign) for sign in signs) and any(shown(env, image, arm) for arm in arms))
    for sign, turn in zip(signs, turns, strict=True):
        thing = env.grid.get(*sign)
        assert (thing.type, thing.color) == SIGNS[turn]
        assert sum(cell in env.open_cells for cell in beside(sign)) == 1
    # The way passes the signs in their order, then the forks in theirs.
    far = distances(env.open_cells, env.start[0])
    passed = [min(far[cell] for cell in beside(sign) if cell in far) for sign in signs]
    reached = [far[left] for left, _ in forks]
    assert sorted({*passed, *reached}) == [*passed, *reached]
    assert all(far[left] == far[right] for left, right in forks)
    # Without a fork's arms nothing behind it can be reached, and both arms of all but the last go on.
    for number, fork in enumerate(forks):
        beyond = [arm for later in forks[number + 1 :] for arm in later]
        before = distances(env.open_cells.difference(fork), env.start[0])
        assert not any(arm in before for arm in beyond)
        for arm in fork if beyond else ():
            assert beyond[0] in distances(env.open_cells.difference(set(fork) - {arm}), env.start[0])


def test_left_and_right_are_the_agents():
    env = make_env("Engram-MazeSequence-S13-v0", seed=2)
    for _ in range(20):
        game = Game(env)
        maze = game.maze
        for number, (left, right) in enumerate(maze.scene.forks):
            turn = maze.scene.turns[number]
            before = [left, right][1 - turn]
            way = shortest_path(
                maze.open_cells.difference([before]), maze.pose, lambda pose, goal=(left, right)[turn]: pose[0] == goal
            )
            pose = maze.pose
            for action in way[:-2]:
                pose = after(pose, action)
            # In front of the fork: a turn to the right side, and a step.
            assert way[-2:] == [turn, 2]
            assert after(after(pose, turn), 2)[0] == (left, right)[turn]
            for action in way:
                game.act(action)
        assert game.info["is_success"]


def test_a_sign_is_in_sight_of_whoever_walks_by():
    env = make_env("Engram-MazeSequence-S13-v0", seed=3)
    for _ in range(50):
        game = Game(env)
        seen = set()

        def look(game=game, seen=seen):
            seen.update(cell for cell in game.maze.scene.signs if game.seen(cell))

        left, _ = game.maze.scene.forks[0]
        game.walk(lambda pose, left=left: pose[0] in beside(left), (), look)
        assert seen == set(game.maze.scene.signs)


def test_an_arm_of_a_fork_behind_the_agent_means_nothing_any_more():
    env = make_env("Engram-MazeSequence-S13-v0", seed=5)
    game = Game(env)
    (first, _), turns = game.maze.scene.forks, game.maze.scene.turns
    right, wrong = first[turns[0]], first[1 - turns[0]]
    game.walk(lambda pose: pose[0] == right, [wrong])
    assert game.maze.legs_done == 1
    game.walk(lambda pose: pose[0] == wrong, game.maze.scene.forks[1])
    assert game.maze.pose[0] == wrong
    assert not game.over


def test_turns_are_fair_and_independent():
    env = MazeSequence()
    env.reset(seed=0)
    turns = np.array([env.reset() and env.scene.turns for _ in range(400)])
    assert abs(turns.mean(0) - 0.5).max() < 0.1
    assert abs(np.corrcoef(turns.T)[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"size": 12}, "size=12 must be a whole number from 13 to 1000"),
        ({"cues": 0}, "cues=0 must be a whole number of at least 1"),
        ({"distractors": "many"}, "distractors='many' must be a whole number of at least 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, line):
    with pytest.raises(ValueError, match=line):
        MazeSequence(**arguments)


def test_what_cannot_be_drawn_is_refused_at_the_reset():
    with pytest.raises(ValueError, match="no maze of size=13 found with distractors=0"):
        MazeSequence(cues=9).reset(seed=0)
