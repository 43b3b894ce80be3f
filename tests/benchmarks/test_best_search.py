"""What searching again is worth in maze return: the chance level, exactly."""

import json
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml
from grid_probes import variants
from scipy.stats import binomtest

from benchmarks.players.best_search import best_search, steps_to
from benchmarks.players.mazes import blind, nearest_first
from engram.envs import make_env
from engram.envs.tasks.mazes.maze_return import SLACK, MazeReturn
from engram.envs.tasks.mazes.shortest_paths import after, fewest_steps, shortest_path
from engram.envs.visibility import in_sight

CHANCE = {"S9": 0.67, "S13": 0.5}
"""As docstring, configuration and docs/reference/tasks.md say; of thousands of mazes."""
ROOT = Path(__file__).parents[2]


def search_of(env):
    env.reset()
    return best_search(env.unwrapped)


def sights(maze):
    """Map each possible goal to the poses from which it is seen."""
    clear = maze.open_cells.union(maze.distractor_cells)
    poses = [(cell, heading) for cell in maze.open_cells for heading in range(4)]
    return {
        goal: {pose for pose in poses if in_sight(clear, *pose, maze.agent_view_size, goal)}
        for goal in maze.possible_goals
    }


def saved_by(maze, walk, seen_from):
    """Follow a walk from the start; return the possible goals that it sees in time."""
    pose, saved = maze.start, set()
    for time, action in enumerate(walk, start=1):
        pose = after(pose, action)
        for goal, lookouts in seen_from.items():
            if pose in lookouts:
                steps = time + fewest_steps(maze.open_cells, pose, goal)
                if steps <= SLACK * fewest_steps(maze.open_cells, maze.start, goal):
                    saved.add(goal)
    return saved


def in_order(maze, goals, seen_from):
    """Look at one goal after the other, going the shortest way to where it is seen."""
    pose, walk = maze.start, []
    for goal in goals:
        for action in shortest_path(maze.open_cells, pose, seen_from[goal].__contains__):
            pose = after(pose, action)
            walk.append(action)
    return walk


@pytest.mark.parametrize(("size", "mazes"), [("S9", 300), ("S13", 60)])
def test_the_chance_that_is_told_is_what_the_best_search_gets(size, mazes):
    env = make_env(f"Engram-MazeReturn-{size}-v0", split="test", seed=11)
    shares = [len(search_of(env)[1]) / len(env.unwrapped.possible_goals) for _ in range(mazes)]
    error = np.std(shares) / np.sqrt(mazes)
    assert abs(np.mean(shares) - CHANCE[size]) < 3 * error + 0.005 < 0.05


def test_configuration_docstring_and_page_agree():
    config = yaml.safe_load((ROOT / "configs" / "env" / "maze_return.yaml").read_text())
    assert config["chance"] == CHANCE["S9"]
    rows = json.loads((ROOT / "docs" / "tables" / "tasks_mazes.json").read_text())["rows"]
    for size, chance in CHANCE.items():
        assert f"{chance} at size {size[1:]}" in MazeReturn.__doc__
        (row,) = [row for row in rows if row[0] == f"`Engram-MazeReturn-{size}-v0`"]
        assert row[3] == str(chance)


def test_played_it_succeeds_just_where_it_says_so():
    env = make_env("Engram-MazeReturn-S9-v0", split="test", seed=12)
    claims, played = [], []
    for _ in range(150):
        state = env.unwrapped.np_random.bit_generator.state
        saved = search_of(env)[1]
        claims.append(env.unwrapped.goal in saved)
        env.unwrapped.np_random.bit_generator.state = state
        played.append(blind(env, None).success)
    assert played == claims
    assert 75 < sum(played) < 130


@pytest.mark.parametrize("arguments", [{}, {"loops": 2, "distractors": 3}, {"size": 11, "agent_view_size": 5}])
def test_no_order_of_the_goals_saves_more(arguments):
    maze = MazeReturn(**arguments)
    maze.reset(seed=13)
    equal = 0
    for _ in range(10):
        maze.reset()
        while len(maze.possible_goals) not in (2, 3, 4):
            maze.reset()
        walk, saved = best_search(maze)
        seen_from = sights(maze)
        assert saved_by(maze, walk, seen_from) == saved
        orders = permutations(maze.possible_goals)
        most = max(len(saved_by(maze, in_order(maze, order, seen_from), seen_from)) for order in orders)
        assert most <= len(saved)
        equal += most == len(saved)
    assert equal > 6


def test_to_look_at_the_nearest_cell_first_is_worse():
    env = make_env("Engram-MazeReturn-S9-v0", split="test", seed=14)
    searched = sum(blind(env, None).success for _ in range(100))
    assert searched > sum(nearest_first(env).success for _ in range(100)) + 10


def test_the_goal_is_any_of_the_possible_ones():
    maze = MazeReturn()
    places = Counter()
    for seed in range(40):
        maze.reset(seed=seed)
        drawn = [(tuple(one.possible_goals), one.goal) for one in variants(maze, 15)]
        assert len({possible for possible, _ in drawn}) == 1
        if len(drawn[0][0]) % 2 == 0:
            places.update(possible.index(goal) < len(possible) / 2 for possible, goal in drawn)
    assert places.total() > 150
    assert binomtest(places[True], places.total()).pvalue > 1e-3


def test_steps_to_a_cell_are_those_of_the_shortest_way():
    maze = MazeReturn(loops=2)
    maze.reset(seed=3)
    for pose, steps in steps_to(maze.open_cells, maze.goal).items():
        assert steps == fewest_steps(maze.open_cells, pose, maze.goal)
