import math
from collections import Counter

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare
from stable_baselines3.common.env_checker import check_env as sb3_check

from benchmarks.players.episode import random_episode
from benchmarks.players.tmaze import blind, oracle
from engram.envs import make_env
from engram.envs.spans import chance_by_logarithm
from engram.envs.tasks.tmaze.env import BACK, DOWN, FORWARD, UP, TMaze

VARIANTS = [
    {},
    {"cue_at": "random"},
    {"active": True},
    {"cue_at": "random", "noise": 3, "distractors": 4},
    {"active": True, "noise": 1, "distractors": 2},
]


@st.composite
def mazes(draw):
    fewest = draw(st.integers(1, 23))
    arguments = {
        "delay": (fewest, fewest + draw(st.integers(0, 11))),
        "noise": draw(st.integers(0, 3)),
        "distractors": draw(st.integers(0, 5) | st.sampled_from((0.0, 0.3, 0.9))),
    }
    if fewest > 1 and draw(st.booleans()):
        arguments |= {"active": True, "offset": (1, draw(st.integers(1, min(5, fewest - 1))))}
    else:
        arguments["cue_at"] = draw(st.sampled_from(("start", "random")))
    return arguments, draw(st.integers(0, 10**6))


@given(mazes())
@settings(max_examples=150, deadline=None)
def test_delay_is_the_fewest_steps_from_the_last_sight_of_the_cue_to_the_choice(maze):
    arguments, seed = maze
    env = TMaze(**arguments)
    observation, info = env.reset(seed=seed)
    fewest, most = arguments["delay"]
    assert fewest <= env.delay <= most
    cue, last_sight, step = 0, None, 0
    while True:
        assert env.observation_space.contains(observation)
        assert observation[2] + observation[3] == 1
        assert info["cue_visible"] == (observation[:2].sum() == 1) == bool(observation[:2].any())
        if info["cue_visible"]:
            cue, last_sight = (UP if observation[0] else DOWN), step
        if observation[3]:
            break
        observation, reward, terminated, truncated, info = env.step(FORWARD if cue or not env.offset else BACK)
        step += 1
        assert (reward, terminated, truncated) == (0.0, False, False)
    assert step - last_sight == env.delay
    assert step + 1 == env.shortest_solution()
    _, reward, terminated, truncated, info = env.step(cue)
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)


@given(mazes())
@settings(max_examples=60, deadline=None)
def test_limit_is_twice_the_shortest_way_and_truncates(maze):
    arguments, seed = maze
    env = TMaze(**arguments)
    env.reset(seed=seed)
    steps, truncated = 0, False
    while not truncated:
        _, reward, terminated, truncated, info = env.step(UP if env._position < env._junction else FORWARD)
        steps += 1
        assert reward == 0
        assert not terminated
    assert steps == 2 * env.shortest_solution()
    assert info["is_success"] is False


def test_wrong_moves_are_no_ops():
    passive, active = TMaze(delay=(3, 3)), TMaze(delay=(3, 3), active=True, offset=(1, 1))
    for env, wrong in ((passive, (UP, DOWN, BACK)), (active, (UP, DOWN))):
        env.reset(seed=0)
        env.step(FORWARD)
        for action in wrong:
            before = env._position
            env.step(action)
            assert env._position == before
    passive.reset(seed=0)
    for _ in range(3):
        passive.step(FORWARD)
    observation, _, terminated, *_ = passive.step(FORWARD)
    assert observation[3]
    assert not terminated
    active.reset(seed=0)
    active.step(BACK)
    observation, *_, info = active.step(BACK)
    assert info["cue_visible"]
    assert active._position == 0


def test_passive_cue_shows_once_and_at_the_time_it_says():
    env = TMaze(delay=(7, 7), cue_at="random")
    times = set()
    for seed in range(120):
        _, info = env.reset(seed=seed)
        sights = [info["cue_visible"]]
        while True:
            *_, terminated, truncated, info = env.step(FORWARD)
            if terminated or truncated:
                break
            sights.append(info["cue_visible"])
        assert sum(sights) == 1
        times.add(sights.index(True))
    assert times == set(range(8))


def test_active_cue_shows_only_at_the_near_end():
    env = TMaze(delay=(4, 4), active=True, offset=(2, 2))
    observation, info = env.reset(seed=0)
    assert not info["cue_visible"]
    assert not observation[:2].any()
    env.step(BACK)
    observation, *_, info = env.step(BACK)
    assert info["cue_visible"]
    assert observation[:2].sum() == 1
    observation, *_ = env.step(FORWARD)
    assert not observation[:2].any()


def test_distractors_show_on_their_own_channel_and_mean_nothing():
    env = TMaze(delay=(9, 9), distractors=4)
    agreement, total = 0, 0
    for seed in range(200):
        observation, _ = env.reset(seed=seed)
        cue = observation[:2]
        false_cues = [observation[4:6]]
        while not observation[3]:
            observation, *_ = env.step(FORWARD)
            false_cues.append(observation[4:6])
        shown = [signal for signal in false_cues if signal.any()]
        assert len(shown) == 4
        assert all(signal.sum() == 1 for signal in shown)
        agreement += sum(bool((signal == cue).all()) for signal in shown)
        total += 4
    assert binomtest(agreement, total, 0.5).pvalue > 0.001


@pytest.mark.parametrize(("delay", "share"), [(1, 0.3), (19, 0.1), (109, np.float32(0.2))])
def test_a_share_of_distractors_is_that_of_steps_however_long_the_corridor(delay, share):
    env, shown, steps = TMaze(delay=(delay, delay), distractors=share), 0, 0
    for seed in range(200):
        seen = [env.reset(seed=seed)[0], *(env.step(FORWARD)[0] for _ in range(delay))]
        shown += sum(bool(observation[4:6].any()) for observation in seen)
        steps += len(seen)
    assert binomtest(shown, steps, float(share)).pvalue > 0.001


def test_noise_is_new_at_every_step_and_uniform():
    env = TMaze(delay=(3000, 3000), noise=2)
    observation, _ = env.reset(seed=0)
    noise = [observation[-2:]]
    for _ in range(3000):
        observation, *_ = env.step(UP)
        noise.append(observation[-2:])
    noise = np.array(noise)
    assert len(np.unique(noise)) > 5900
    np.testing.assert_allclose(noise.mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(noise.var(axis=0), 1 / 12, atol=0.01)


def test_observation_tells_nothing_of_the_position():
    env = TMaze(delay=(20, 20))
    env.reset(seed=0)
    inside = [env.step(FORWARD)[0] for _ in range(19)]
    assert len(np.unique(inside, axis=0)) == 1


def test_an_observation_is_the_callers_to_change():
    env = TMaze(delay=(5, 5))
    env.reset(seed=0)
    env.step(UP)[0][:] = 7
    np.testing.assert_array_equal(env.step(UP)[0], (0, 0, 1, 0))


def test_penalty_makes_an_episode_of_no_ops_cost_what_it_says():
    env = TMaze(delay=(13, 13), penalty=0.7)
    env.reset(seed=0)
    total, truncated = 0.0, False
    while not truncated:
        _, reward, _, truncated, _ = env.step(DOWN)
        total += reward
    assert total == pytest.approx(-0.7)
    env.reset(seed=0)
    assert all(env.step(FORWARD)[1] == 0 for _ in range(13))


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_players_get_on_the_test_side(variant):
    env = make_env("Engram-TMaze-v0", split="test", kwargs=variant)
    env.reset(seed=6)
    rng = np.random.default_rng(6)
    by_oracle = [oracle(env) for _ in range(300)]
    assert all(played.success for played in by_oracle)
    by_blind = [blind(env, rng).success for _ in range(600)]
    assert binomtest(sum(by_blind), len(by_blind), 0.5).pvalue > 0.001
    assert np.mean([random_episode(env, rng).success for _ in range(300)]) < 0.05


def test_an_oracle_walks_a_very_long_corridor():
    env = make_env("Engram-TMazeLong-v0", kwargs={"delay": (10_000, 10_000)})
    env.reset(seed=0)
    played = oracle(env)
    assert played.success
    assert played.steps == 10_001


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.parametrize("variant", VARIANTS)
def test_checkers_accept_every_variant(variant):
    env = make_env("Engram-TMaze-v0", kwargs=variant)
    gymnasium_check(env)
    gymnasium_check(TMaze(**variant))
    sb3_check(env)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.parametrize("env_id", ["Engram-TMaze-v0", "Engram-TMazeActive-v0", "Engram-TMazeLong-v0"])
def test_checkers_accept_every_id(env_id):
    gymnasium_check(make_env(env_id))
    sb3_check(make_env(env_id))


def test_shorter_delays_are_drawn_by_their_logarithm():
    env = TMaze(delay=(11, 13), shorter_from=2)
    env.reset(seed=0)
    met = Counter()
    for _ in range(3000):
        env.reset()
        met[env.delay] += 1
    assert set(met) == set(range(2, 14))
    expected = [3000 * chance_by_logarithm(delay, (2, 13)) for delay in range(2, 14)]
    assert sum(expected) == pytest.approx(3000)
    assert expected[:3] == pytest.approx([3000 * math.log(n / (n - 1), 5) for n in (4, 5, 6)])  # 3 to 15, fivefold
    assert chisquare([met[delay] for delay in range(2, 14)], expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"delay": (0, 5)},
            r"delay=\(0, 5\) must be a pair \(fewest, most\) of whole numbers with 1 <=",
        ),
        ({"delay": 5}, "delay=5 must be a pair"),
        ({"delay": (2.5, 3)}, r"delay=\(2.5, 3\) must be a pair \(fewest, most\) of whole numbers"),
        ({"delay": "35"}, "delay='35' must be a pair"),
        ({"delay": (5, 6, 7)}, r"delay=\(5, 6, 7\) must be a pair"),
        ({"delay": (6, 5)}, r"delay=\(6, 5\)"),
        ({"active": True, "offset": (0, 2)}, r"offset=\(0, 2\)"),
        ({"active": True, "delay": (3, 9)}, r"offset=\(1, 3\) must stay below delay=\(3, 9\)"),
        ({"cue_at": "end"}, "cue_at='end' must be 'start' or 'random'"),
        ({"cue_at": "random", "active": True}, "passive T-Maze"),
        ({"noise": -1}, "noise=-1"),
        ({"distractors": -2}, "distractors=-2"),
        ({"distractors": 1.5}, "distractors=1.5 must be a whole number of at least 0, or a share below 1"),
        ({"distractors": -0.1}, "distractors=-0.1 must be"),
        ({"distractors": float("nan")}, "distractors=nan must be"),
        ({"distractors": "few"}, "distractors='few' must be a whole number of at least 0, or a share below 1"),
        ({"distractors": None}, "distractors=None must be a whole number of at least 0, or a share below 1"),
        ({"delay": (5, 30), "shorter_from": 6}, "shorter_from=6 must be a whole number from 1 to 5"),
        ({"noise": 10**12}, "noise=1000000000000 must be a whole number .* at most 100,000,000"),
        ({"delay": (1, 10**22)}, "delay=.* must be a pair"),
        ({"active": "no"}, "active='no' must be true or false"),
        ({"penalty": float("nan")}, "penalty=nan must be a number of at least 0"),
        ({"penalty": "much"}, "penalty='much' must be a number of at least 0"),
        ({"penalty": None}, "penalty=None must be a number of at least 0"),
        ({"shorter_from": 0}, "shorter_from=0 must be a whole number from 1 to 5"),
        ({"shorter_from": 31}, "shorter_from=31 must be a whole number from 1 to 5"),
        ({"active": True, "shorter_from": 3}, r"offset=\(1, 3\) must stay below shorter_from=3"),
    ],
)
def test_impossible_mazes_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        TMaze(**arguments)
    assert "\n" not in str(error.value)
