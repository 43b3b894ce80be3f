"""Maze return: the same goal through the same maze, from the same start, and later trips must be fast."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.minigrid_env import MiniGridEnv

from benchmarks.players.mazes import Game
from engram.envs import make_env
from engram.envs.split.by_layout import layout_key
from engram.envs.tasks.mazes.generation.tree import dead_ends
from engram.envs.tasks.mazes.maze_return import MazeReturn

MAZES = st.fixed_dictionaries(
    {
        "size": st.sampled_from((6, 7, 9, 10, 13)),
        "trips": st.integers(2, 4),
        "loops": st.integers(0, 2),
        "distractors": st.integers(0, 3),
        "agent_view_size": st.sampled_from((3, 5)),
    }
)


@given(MAZES, st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_goal_is_in_a_dead_end_out_of_sight_and_some_way_off(arguments, seed):
    env = MazeReturn(**arguments)
    env.reset(seed=seed)
    (x, y), heading = env.start
    assert env.grid.get(*env.goal).type == "goal"
    assert sum(thing is not None and thing.type == "goal" for thing in env.grid.grid) == 1
    assert dead_ends([env.goal], env.open_cells)
    assert abs(env.goal[0] - x) + abs(env.goal[1] - y) >= arguments["size"] // 2
    for turn in range(4):
        env.agent_dir = turn
        place = env.relative_coords(*env.goal)
        assert place is None or MiniGridEnv.gen_obs(env)["image"][tuple(place)][0] == 0
    env.agent_dir = heading
    decoys = sum(thing is not None and thing.type in ("key", "ball", "box") for thing in env.grid.grid)
    assert decoys == arguments["distractors"]


def walk_home(game, detour=0):
    for _ in range(detour):
        game.act(0)
    goal = game.maze.goal
    done = game.maze.legs_done
    game.walk(lambda pose: pose[0] == goal, (), lambda: game.maze.legs_done > done)


def test_whoever_arrives_stands_at_the_start_again_and_sees_what_it_saw():
    env = make_env("Engram-MazeReturn-S9-v0", seed=1)
    for _ in range(10):
        game = Game(env)
        first, goal = game.observation, game.maze.goal
        walk_home(game)
        assert game.maze.pose == game.maze.start
        np.testing.assert_array_equal(game.observation, first)
        assert game.maze.goal == goal
        assert not game.over


@pytest.mark.parametrize("late", [0, 1])
def test_only_the_first_trip_may_take_its_time(late):
    env = make_env("Engram-MazeReturn-S9-v0", seed=2)
    for _ in range(20):
        game = Game(env)
        fewest = game.maze.shortest_solution() // 3
        allowed = int(1.5 * fewest) - fewest  # steps that a later trip may lose
        walk_home(game, detour=40)
        walk_home(game, detour=4 * (allowed // 4) + 4 * late)
        walk_home(game)
        assert game.over
        assert game.info["is_success"] is (not late)


@pytest.mark.parametrize("trips", [2, 4])
def test_strict_an_episode_ends_where_a_later_trip_can_no_longer_be_in_time(trips):
    env = make_env("Engram-MazeReturn-S9-v0", seed=3, kwargs={"trips": trips, "strict": True})
    for _ in range(20):
        game = Game(env)
        fewest = game.maze.shortest_solution() // trips
        walk_home(game, detour=40)
        for _ in range(trips - 2):
            walk_home(game)
        begun = game.steps
        while not game.over:
            game.act(0)
        assert game.steps - begun == int(1.5 * fewest)
        assert game.info["is_success"] is False
        assert game.reward == pytest.approx(sum(paid(game.maze, [40 + fewest, *[fewest] * (trips - 2)])))


def test_strict_who_is_in_time_meets_what_it_would():
    strict, usual = (make_env("Engram-MazeReturn-S9-v0", seed=4, kwargs={"strict": strict}) for strict in (True, False))
    for _ in range(20):
        games = [Game(env) for env in (strict, usual)]
        for game in games:
            fewest = game.maze.shortest_solution() // 3
            for trip in range(3):
                walk_home(game, detour=(int(1.5 * fewest) - fewest) // 4 * 4 if trip else 40)
            assert game.over
            assert game.info["is_success"]
        assert len({(game.reward, game.steps) for game in games}) == 1


def paid(maze, steps):
    return [(1 - 0.9 * taken / maze.max_steps) / maze.legs for taken in steps]


def test_who_knows_a_small_maze_does_not_know_its_goal():
    env = MazeReturn(size=6)
    numbers = [env.reset(seed=seed) and len(env.possible_goals) for seed in range(60)]
    assert min(numbers) == 2
    with pytest.raises(ValueError, match="no maze of size=6 found"):
        MazeReturn(size=6, agent_view_size=7).reset(seed=0)


def test_the_goal_is_no_part_of_the_layout():
    env = MazeReturn()
    env.reset(seed=0)
    key, goal = layout_key(env), env.goal
    env.grid.set(*goal, None)
    env.goal = (1, 1)
    assert layout_key(env) == key
    env.open_cells -= {goal}
    assert layout_key(env) != key


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"size": 5}, "size=5 must be a whole number from 6 to 1000"),
        ({"trips": 1}, "trips=1 must be a whole number of at least 2"),
        ({"loops": None}, "loops=None must be a whole number of at least 0"),
        ({"strict": "fasle"}, "strict='fasle' must be true or false"),
        ({"strict": 1}, "strict=1 must be true or false"),
        ({"strict": None}, "strict=None must be true or false"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, line):
    with pytest.raises(ValueError, match=line):
        MazeReturn(**arguments)


def test_what_cannot_be_drawn_is_refused_at_the_reset():
    with pytest.raises(ValueError, match="no maze of size=9 found with distractors=500"):
        MazeReturn(distractors=500).reset(seed=0)
