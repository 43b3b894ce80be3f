"""Envs on a device: given the same draws they are equal to the single env; a new task is tested by being registered."""

import math
from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
import torch
from minigrid.envs.memory import MemoryEnv
from side_by_side import action_towards_a_choice

from engram.envs import make_env, make_tensor_env
from engram.envs.spans import chance_by_logarithm
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.tasks.sequences.sequence_task import SequenceTask
from engram.envs.tasks.tmaze.env import DOWN, UP, TMaze

IDS = [
    env_id
    for env_id in gym.registry
    if env_id.startswith(("Engram-", "MiniGrid-Memory"))
    and isinstance(make_env(env_id).unwrapped, TMaze | SequenceTask | Match | MazeMatch | MemoryEnv)
    and "S51" not in env_id  # a bank of them takes a minute
]
SETTINGS = [
    *((env_id, {}) for env_id in IDS),
    ("MiniGrid-MemoryS7-v0", {"max_steps": 7}),
    ("Engram-RoomS11-v0", {"max_steps": 25}),
    ("Engram-TMaze-v0", {"delay": (2, 6), "cue_at": "random", "penalty": 0.7}),
    ("Engram-TMaze-v0", {"delay": (6, 6), "shorter_from": 2}),
    ("Engram-TMazeActive-v0", {"delay": (4, 9), "penalty": 1.0}),
    ("Engram-Binding-v0", {"cues": 2, "answers": 2, "delay": (0, 5)}),
    ("Engram-Binding-v0", {"cues": 3, "alphabet": 5, "digits": 2, "queries": 2}),
]
N_ENVS = 5


class Drawn:
    """Stands in for a random generator: gives numbers that have been drawn elsewhere, in this order."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def integers(self, *bounds, **_):
        return self.numbers.pop(0)

    random = integers


def begin(single, ours, row):
    """Reset a single env to the episode that ours has drawn; return what the reset returns."""
    task = single.unwrapped
    if isinstance(task, TMaze):
        answers, cue_steps, junctions, shortest, positions, *_ = (int(column[row]) for column in ours.corridors)
        delay = junctions - cue_steps
        if task.by_logarithm:  # the share of the range that a generator draws for it
            fewest, most = task.delays
            delay = math.log((delay + 1.5) / (fewest + 1)) / math.log((most + 2) / (fewest + 1))
        draws = [delay, *([positions] if task.active else []), answers == UP]
        task._np_random = Drawn([*draws, *([cue_steps] if task.cue_at == "random" else [])])
        assert shortest == positions + junctions + 1
        return single.reset()
    episode = ours.episodes[row] if isinstance(task, SequenceTask) else ours.walkers.mazes[row]
    return single.reset(seed=ours.seeds[int(episode)])


def chances(env_id, actions):
    """Mostly forward, so that episodes end in all ways."""
    if "Maze" in env_id or "Match" in env_id or "Room" in env_id or "Memory" in env_id:
        forward = 0 if "TMaze" in env_id else 2
        return [0.76 if action == forward else 0.24 / (actions - 1) for action in range(actions)]
    return None


def assert_same(ours, expected):
    """Compare one row of tensors with what a single env returned; of a Dict every key."""
    if isinstance(ours, dict):
        assert set(ours) == set(expected)
        for key, part in ours.items():
            assert_same(part, expected[key])
        return
    expected = torch.as_tensor(expected)
    assert ours.dtype == expected.dtype
    assert torch.equal(ours, expected)


def row_of(observations, row):
    return (
        {key: part[row] for key, part in observations.items()} if isinstance(observations, dict) else observations[row]
    )


def assert_same_layout(ours, row, info):
    layout = ours.layouts[int(ours.layout_numbers()[row])] if ours.layouts else None
    assert layout == info.get("layout")


def assert_same_play(env_id, split=None, purposeful=False, **arguments):
    """Play side by side, at random or towards a choice; return how the episodes ended, as (success, truncated)."""
    ours = make_tensor_env(env_id, n_envs=N_ENVS, seed=3, split=split, episodes=40, **arguments)
    singles = [make_env(env_id, split=split, **arguments) for _ in range(N_ENVS)]
    assert ours.observation_space == singles[0].observation_space
    assert ours.action_space == singles[0].action_space
    observations, cue_visible = ours.reset()
    for row, single in enumerate(singles):
        expected, info = begin(single, ours, row)
        assert_same(row_of(observations, row), expected)
        assert bool(cue_visible[row]) == info["cue_visible"]
        assert_same_layout(ours, row, info)
    rng, ends = np.random.default_rng(0), Counter()
    number = int(ours.action_space.n)
    for _ in range(700):
        actions = rng.choice(number, N_ENVS, p=chances(env_id, number))
        if purposeful:
            likely = rng.random(N_ENVS) < 0.9
            actions[likely] = [action_towards_a_choice(single) for single in np.array(singles)[likely]]
        step = ours.step(torch.as_tensor(actions))
        for row, single in enumerate(singles):
            expected, reward, terminated, truncated, info = single.step(actions[row])
            truncated = truncated and not terminated
            assert_same(row_of(step.final_observations, row), expected)
            assert_same(step.rewards[row], np.float32(reward))
            assert (step.terminated[row].item(), step.truncated[row].item()) == (terminated, truncated)
            assert step.successes[row].item() == info.get("is_success", False)
            if terminated or truncated:
                ends[info["is_success"], truncated] += 1
                expected, info = begin(single, ours, row)
                assert_same_layout(ours, row, info)
            assert_same(row_of(step.observations, row), expected)
            assert step.cue_visible[row].item() == info["cue_visible"]
    return ends


@pytest.mark.parametrize(("env_id", "kwargs"), SETTINGS)
def test_given_the_same_draws_it_is_equal_to_the_single_env(env_id, kwargs):
    assert assert_same_play(env_id, kwargs=kwargs) or "MazeMatch" in env_id


@pytest.mark.parametrize("env_id", ["Engram-MatchS9-v0", "Engram-MazeMatch-S9-v0", "MiniGrid-MemoryS13-v0"])
def test_a_player_that_goes_where_it_is_judged_is_paid_the_same(env_id):
    assert {(True, False), (False, False)} <= set(assert_same_play(env_id, purposeful=True))


@pytest.mark.parametrize(
    "arguments",
    [
        {"env_id": "MiniGrid-MemoryS13Random-v0", "view_size": 9, "useful_actions": ("toggle", "forward", "left")},
        {"env_id": "Engram-MazeMatch-S9-v0", "split": "test"},
        {"env_id": "Engram-MazeMatch-S13-v0", "odometry": True, "kwargs": {"size": (9, 13)}},
        {"env_id": "Engram-RoomS11-v0", "kwargs": {"size": (10, 13)}, "purposeful": True},
        {"env_id": "MiniGrid-MemoryS13Random-v0", "odometry": True, "useful_actions": ("right", "done", "forward")},
        {"env_id": "Engram-Binding-v0", "split": "validation", "kwargs": {"cues": 2, "answers": 2}},
        {"env_id": "Engram-Chain2-v0", "kwargs": {"hops": (1, 3)}},
        {"env_id": "MiniGrid-MemoryS7-v0", "split": "train", "kwargs": {"max_steps": 9}},
    ],
)
def test_every_key(arguments):
    ends = assert_same_play(**arguments)
    if "MemoryS7" in arguments["env_id"]:
        assert len(ends) == 3


def episodes_of_a_side(side, kwargs):
    ours = make_tensor_env("Engram-TMaze-v0", n_envs=4000, seed=0, split=side, kwargs=kwargs)
    return ours.draw()


@pytest.mark.parametrize("shorter_from", [None, 2])
@pytest.mark.parametrize("side", ["train", "validation", "test", None])
def test_corridors_are_drawn_as_the_single_env_draws_them(side, shorter_from):
    kwargs = {"delay": (4, 23), "cue_at": "random", "shorter_from": shorter_from}
    answers, cue_steps, junctions, *_ = episodes_of_a_side(side, kwargs)
    delays = (junctions - cue_steps).tolist()
    single = make_env("Engram-TMaze-v0", split=side, kwargs=kwargs)
    met = set()
    for seed in range(400):
        single.reset(seed=seed)
        met.add(single.unwrapped.delay)
    counts = Counter(delays)
    assert set(counts) == met
    span = single.unwrapped.delays
    chance = {delay: chance_by_logarithm(delay, span) if shorter_from else 1.0 for delay in met}
    expected = {delay: len(delays) * chance[delay] / sum(chance.values()) for delay in met}
    assert all(abs(counts[delay] - expected[delay]) < 5 * expected[delay] ** 0.5 for delay in met)
    assert set(answers.tolist()) == {UP, DOWN}
    assert abs((answers == UP).float().mean().item() - 0.5) < 0.05
    shares = cue_steps / (junctions - cue_steps)
    assert shares.min() == 0
    assert shares.max() == 1
    assert abs(shares.mean().item() - 0.5) < 0.03


def test_a_bank_holds_episodes_of_its_side_as_the_single_env_draws_them():
    ours = make_tensor_env("Engram-Binding-v0", n_envs=2, seed=6, split="test", kwargs={"delay": (0, 3)})
    single = make_env("Engram-Binding-v0", split="test", kwargs={"delay": (0, 3)})
    for number, seed in enumerate(ours.seeds[:50]):
        single.reset(seed=seed)
        task = single.unwrapped
        assert int(ours.lengths[number]) == len(task.observations) - 1
        np.testing.assert_array_equal(ours.observations[number, : len(task.observations)], task.observations)
        assert ours.answers[number].tolist() == task.right_answers
    # All of them are played.
    drawn = torch.cat([ours.below(len(ours.lengths)) for _ in range(20_000)])
    assert drawn.min() >= 0
    assert len(drawn.unique()) > 0.8 * len(ours.lengths)


@pytest.mark.parametrize("env_id", ["Engram-TMaze-v0", "Engram-Counting-v0"])
def test_the_same_seed_gives_the_same_episodes(env_id):
    def play(seed):
        ours = make_tensor_env(env_id, n_envs=3, seed=seed)
        seen = [ours.reset()[0]]
        for time in range(80):
            seen.append(ours.step(torch.full((3,), time % 3)).observations)
        return torch.stack(seen)

    assert torch.equal(play(4), play(4))
    assert not torch.equal(play(4), play(5))


def test_a_step_keeps_its_tensors_where_they_are():
    # What a CUDA graph needs: state is written in place.
    for ours, state in (
        (make_tensor_env("Engram-TMaze-v0", n_envs=3), lambda env: list(env.corridors)),
        (make_tensor_env("Engram-Counting-v0", n_envs=3), lambda env: [env.episodes, env._times, env._right]),
        (make_tensor_env("Engram-RoomS11-v0", n_envs=3, episodes=9), lambda env: list(env.walkers)),
    ):
        ours.reset()
        before = [part.data_ptr() for part in state(ours)]
        for _ in range(40):
            ours.step(torch.zeros(3, dtype=torch.int64))
        assert [part.data_ptr() for part in state(ours)] == before


@pytest.mark.parametrize("env_id", ["Engram-TMaze-v0", "Engram-Counting-v0", "Engram-RoomS11-v0"])
def test_actions_that_there_are_not_are_refused_before_anything_moves(env_id):
    ours = make_tensor_env(env_id, n_envs=3, seed=5, **({} if "TMaze" in env_id else {"episodes": 9}))
    ours.reset()
    n = int(ours.action_space.n)
    for wrong in (n, -1):
        with pytest.raises(ValueError, match=rf"actions=\[0, {wrong}, 0\]: must be from 0 to {n - 1}"):
            ours.step(torch.tensor([0, wrong, 0]))
    ours.step(torch.full((3,), n - 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env_id": "Engram-MazeReturn-S9-v0"}, "Engram-MazeReturn-S9-v0 has no form on a device"),
        ({"env_id": "Engram-MatchS13-v0", "view_size": 11}, "with a view of at most 9"),
        (
            {"env_id": "Engram-TMaze-v0", "odometry": True},
            "Engram-TMaze-v0: odometry is for MiniGrid environments only",
        ),
        ({"env_id": "CartPole-v1"}, "CartPole-v1 has no form on a device"),
        ({"env_id": "Engram-TMaze-v0", "kwargs": {"noise": 2}}, "without noise and distractors"),
        ({"env_id": "Engram-TMaze-v0", "split": "test", "kwargs": {"delay": (5, 5)}}, "no layout on the test side"),
    ],
)
def test_mistakes_are_answered_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_tensor_env(n_envs=2, **arguments)
