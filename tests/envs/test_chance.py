"""Memorizing mazes must not pay: only the cue tells the answer."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from grid_probes import kind_at, variants
from scipy.stats import binomtest

from benchmarks.players.grids import choices
from engram.envs import make_env
from engram.envs.tasks.tmaze.env import UP

EPISODES = {"train": 500, "validation": 200, "test": 200}
"""Most on the side whose mazes the player has met."""


def meet_match(env):
    """Reset; return all that a cue-blind player could have memorized of the maze, and the answer."""
    _, info = env.reset()
    scene = choices(env)
    kinds = [kind_at(env, cell) for cell in scene.objects]
    return (info["layout"], *kinds), kinds.index(kind_at(env, scene.cue))


def meet_tmaze(env):
    _, info = env.reset()
    return (info["layout"],), int(env.unwrapped._answer == UP)


def meet_maze_match(env):
    _, info = env.reset()
    _, fork, right = env.unwrapped.scene
    return (info["layout"], *(kind_at(env, cell) for cell in fork.choices)), right


def meet_maze_sequence(env):
    _, info = env.reset()
    return (info["layout"],), env.unwrapped.scene.turns[0]


TASKS = [
    ("Engram-MatchS9-v0", {}, meet_match),
    ("Engram-MatchS13-v0", {}, meet_match),
    ("Engram-RoomS11-v0", {}, meet_match),
    ("MiniGrid-MemoryS9-v0", {}, meet_match),
    ("MiniGrid-MemoryS13-v0", {}, meet_match),
    ("Engram-MazeMatch-S9-v0", {}, meet_maze_match),
    ("Engram-MazeSequence-S13-v0", {}, meet_maze_sequence),
    ("Engram-TMaze-v0", {}, meet_tmaze),
    ("Engram-TMazeActive-v0", {}, meet_tmaze),
    ("Engram-TMazeLong-v0", {}, meet_tmaze),
]


@pytest.mark.parametrize(("env_id", "kwargs", "meet"), TASKS, ids=[task[0] for task in TASKS])
def test_a_player_that_memorized_every_training_maze_but_cannot_see_the_cue_is_at_chance(env_id, kwargs, meet):
    train = make_env(env_id, split="train", seed=0, kwargs=kwargs)
    answers = defaultdict(Counter)
    overall = Counter()
    for _ in range(EPISODES["train"]):
        maze, answer = meet(train)
        answers[maze][answer] += 1
        overall[maze[1:], answer] += 1

    def guess(maze):
        if maze in answers:
            return answers[maze].most_common(1)[0][0]
        # A maze it has not met: the answer that was right most often for this arrangement of the choices.
        return max((0, 1), key=lambda answer: overall[maze[1:], answer])

    for number, (side, episodes) in enumerate(EPISODES.items()):
        env = make_env(env_id, split=side, seed=100 + number, kwargs=kwargs)
        right = sum(guess(maze) == answer for maze, answer in (meet(env) for _ in range(episodes)))
        assert binomtest(right, episodes, 0.5).pvalue > 1e-3, (side, right / episodes)


def test_the_players_memory_is_good():
    # Were the same episodes to come back, it would be right: what is tested above is not a weak player.
    runs = []
    for _ in range(2):
        env = make_env("Engram-MatchS13-v0", split="train", seed=3)
        runs.append([meet_match(env) for _ in range(200)])
    answers = dict(runs[0])
    assert np.mean([answers[maze] == answer for maze, answer in runs[1]]) > 0.98


def test_who_memorized_where_the_goals_of_maze_return_were_does_not_know_where_they_are():
    env = make_env("Engram-MazeReturn-S9-v0").unwrapped
    goals = defaultdict(Counter)
    for seed in range(60):
        env.reset(seed=seed)
        for maze in variants(env, 12):
            goals[maze.layout_key()][maze.goal] += 1
    assert len(goals) == 60
    # Goals of one maze are as many as its hidden dead ends.
    assert np.mean([len(found) for found in goals.values()]) > 2
    assert np.mean([found.most_common(1)[0][1] / 12 for found in goals.values()]) < 0.7
