"""Laws that hold for every sequence task."""

from collections import Counter, defaultdict
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium.utils.env_checker import check_env as gymnasium_check
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare
from sequence_probes import record
from stable_baselines3.common.env_checker import check_env as sb3_check

from benchmarks.players.sequences import ANSWERS, IDS, at_random, blind, oracle, questions, right_answer
from engram.agents.spaces import check_spaces
from engram.envs.tasks.sequences.binding import Binding
from engram.envs.tasks.sequences.chain import Chain
from engram.envs.tasks.sequences.counting import Counting
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall

ROOT = Path(__file__).parents[4]
ENOUGH = 2000  # answers
LEVELS = {"Easy": (4, 52), "Medium": (32, 104), "Hard": (64, 156)}


def make(env_id, seed=0):
    env = gym.make(env_id).unwrapped
    env.reset(seed=seed)
    return env


def episodes_for(env, answers=ENOUGH):
    return -(-answers // env.scored)


def is_chance(env, scores):
    answers = len(scores) * env.scored
    return binomtest(round(sum(scores) * env.scored), answers, 1 / env.action_space.n).pvalue > 1e-3


def chance_of_success(env):
    return float(env.action_space.n) ** -env.scored


@st.composite
def tasks(draw):
    """An environment with arguments that are valid, and just so at times."""

    def number(least, most):
        return draw(st.integers(least, most))

    def delay():
        fewest = number(0, 3)
        return fewest, fewest + number(0, 3)

    kind = draw(st.sampled_from(list(ANSWERS)))
    if kind is RepeatPrevious:
        lag = number(1, 9)
        return RepeatPrevious(lag, lag + number(1, 12), symbols=number(2, 5))
    if kind is ReverseRecall:
        return ReverseRecall(length=number(1, 12), symbols=number(2, 5))
    if kind is Binding:
        cues = number(1, 9), number(9, 11)
        queries = draw(st.none() | st.integers(1, cues[0]))
        return Binding(
            draw(st.sampled_from([cues[0], cues])),
            *(number(2, 5), delay(), queries),
            alphabet=cues[1] + number(0, 4),
            digits=number(1, 3),
        )
    if kind is Chain:
        hops, symbols = (number(1, 3), number(3, 4)), number(2, 4)
        return Chain(
            draw(st.sampled_from([hops[1], hops])), symbols, delay(), alphabet=hops[1] * symbols + number(0, 4)
        )
    queries, most = number(1, 4), number(1, 5)
    return Counting(queries + number(1, 3), most, length=queries * most + number(0, 9), queries=queries)


def test_all_levels_are_registered():
    assert sorted(IDS) == sorted(
        [
            *(f"Engram-{task}{level}-v0" for task in ("RepeatPrevious", "ReverseRecall") for level in LEVELS),
            *(f"Engram-Chain{hops}-v0" for hops in (1, 2, 3)),
            "Engram-Binding-v0",
            "Engram-Counting-v0",
        ]
    )


@pytest.mark.parametrize("level", LEVELS)
def test_levels_are_those_of_popgym(level):
    lag, length = LEVELS[level]
    repeat, reverse = (make(f"Engram-{task}{level}-v0") for task in ("RepeatPrevious", "ReverseRecall"))
    assert (repeat.lag, repeat.length, repeat.symbols, repeat.scored) == (lag, length, 4, length - lag)
    assert (reverse.length, reverse.symbols, reverse.scored) == (length, 4, length)


def test_chains_have_the_hops_of_their_names():
    assert [make(f"Engram-Chain{hops}-v0").hops for hops in (1, 2, 3)] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("env_id", IDS)
def test_an_oracle_is_always_right(env_id):
    env = make(env_id)
    for _ in range(300):
        played = oracle(env)
        assert (played.success, played.score) == (True, 1.0)
        assert played.total_reward == pytest.approx(1)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("player", [blind, at_random])
def test_one_who_guesses_is_at_chance(env_id, player):
    env, rng = make(env_id), np.random.default_rng(6)
    episodes = [player(env, rng) for _ in range(episodes_for(env))]
    assert is_chance(env, [played.score for played in episodes])
    successes = sum(played.success for played in episodes)
    assert binomtest(successes, len(episodes), chance_of_success(env)).pvalue > 1e-3
    for played in episodes:
        assert played.total_reward == pytest.approx(2 * played.score - 1)
        assert played.success == (played.score == 1)


@pytest.mark.parametrize("env_id", IDS)
def test_no_answer_is_better_than_another(env_id):
    env = make(env_id)
    right = Counter(question.answer for question in questions(env, episodes_for(env)))
    assert chisquare([right[action] for action in range(env.action_space.n)]).pvalue > 1e-3


@pytest.mark.parametrize("env_id", IDS)
def test_what_is_in_sight_and_the_time_tell_nothing(env_id):
    env = make(env_id)
    answers = defaultdict(Counter)
    for seen, answer in questions(env, episodes_for(env, 4000)):
        answers[len(seen), seen[-1]][answer] += 1

    def best_guess(seen):
        known = answers[len(seen), seen[-1]]
        return known.most_common(1)[0][0] if known else 0

    right = np.array([best_guess(seen) == answer for seen, answer in questions(env, episodes_for(env))])
    chance = 1 / env.action_space.n
    assert binomtest(right.sum(), right.size, chance).pvalue > 1e-3
    for number in range(env.scored):  # the first answer of an episode, the second, ...
        one = right[number :: env.scored]
        assert binomtest(one.sum(), one.size, chance).pvalue > 1e-3 / env.scored


@given(tasks(), st.integers(0, 10**6))
@settings(max_examples=200, deadline=None)
def test_every_answer_is_due_where_it_says_and_is_worth_the_same(env, seed):
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    seen, dues, total = [], 0, 0.0
    shown = [info["cue_visible"]]
    while True:
        assert env.observation_space.contains(observation)
        seen.append(tuple(observation.tolist()))
        due = bool(seen[-1][0])
        action = right_answer(env, seen) if due else int(rng.integers(env.action_space.n))
        wrong = rng.random() < 0.3
        if due and wrong:
            action = (action + 1) % env.action_space.n
        observation, reward, terminated, truncated, info = env.step(action)
        shown.append(info["cue_visible"])
        assert reward == pytest.approx(due * (-1 if wrong else 1) / env.scored)
        assert not truncated
        total += reward
        dues += due
        if terminated:
            break
        assert info.keys() == {"cue_visible"}
    assert dues == env.scored
    assert sum(now[0] for now in seen[-env.scored :]) == env.scored
    assert -1 - 1e-9 <= total <= 1 + 1e-9
    assert info["score"] == pytest.approx((1 + total) / 2)
    assert info["is_success"] is (info["score"] == 1)
    # After the last action nothing is due and nothing shown; what is to be remembered comes first.
    assert observation.tolist() == [0, *(env.observation_space.nvec[1:] - 1)]
    assert env.observation_space.contains(observation)
    assert shown == sorted(shown, reverse=True)
    assert shown[0]
    assert not shown[-1]


@given(tasks(), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_what_one_does_changes_nothing_of_what_one_sees(env, seed):
    def observations(action):
        shown, terminated = [env.reset(seed=seed)[0]], False
        while not terminated:
            observation, _, terminated, _, _ = env.step(action)
            shown.append(observation)
        return np.array(shown)

    np.testing.assert_array_equal(observations(0), observations(1))


@pytest.mark.parametrize("env_id", IDS)
def test_an_observation_is_the_callers_to_keep_and_to_change(env_id):
    env = make(env_id)
    kept, _ = env.reset(seed=3)
    copy = kept.copy()
    for _ in range(3):
        oracle(env)
    np.testing.assert_array_equal(kept, copy)
    kept[:] = 7
    np.testing.assert_array_equal(env.reset(seed=3)[0], copy)


@pytest.mark.parametrize("env_id", IDS)
def test_a_step_after_the_end_is_an_error(env_id):
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    while not env.step(0)[2]:
        pass
    with pytest.raises(RuntimeError, match="the episode is over: reset before the next step"):
        env.step(0)


@pytest.mark.parametrize("env_id", IDS)
def test_checkers_and_the_agent_accept_every_id(env_id):
    env = make(env_id)
    gymnasium_check(env)
    sb3_check(env)
    check_spaces(env.observation_space, env.action_space)
    assert not hasattr(env, "layout_key")


@pytest.mark.parametrize("env_id", IDS)
def test_same_seed_same_episode(env_id):
    assert record(env_id, 5) == record(env_id, 5)
    assert record(env_id, 5) != record(env_id, 6)


@pytest.mark.parametrize("name", ["repeat_previous", "reverse_recall", "binding", "chain", "counting"])
def test_configured_settings_are_possible_of_the_same_spaces_and_of_the_chance_that_is_said(name):
    config = yaml.safe_load((ROOT / "configs/env" / f"{name}.yaml").read_text())
    trained = gym.make(config["id"], **config["kwargs"])
    assert oracle(trained).success
    assert config.get("chance", 0) == pytest.approx(chance_of_success(trained.unwrapped), abs=1e-4)
    for setting in config["test_settings"].values():
        env = gym.make(setting.get("id", config["id"]), **config["kwargs"] | setting.get("kwargs", {}))
        assert env.spec.kwargs != trained.spec.kwargs
        assert env.observation_space == trained.observation_space
        assert env.action_space == trained.action_space
        assert oracle(env).success


@pytest.mark.parametrize(
    ("env_id", "kwargs", "steps"),
    [
        ("Engram-ReverseRecallEasy-v0", {"length": (2, 5)}, {4, 6, 8, 10}),
        ("Engram-RepeatPreviousEasy-v0", {"lag": (1, 3), "length": (7, 8)}, {7, 8}),
        ("Engram-Counting-v0", {"length": (9, 11)}, {11, 12, 13}),
    ],
)
def test_lengths_of_a_range_are_drawn_and_every_answer_can_be_given(env_id, kwargs, steps):
    env, met, scored = gym.make(env_id, **kwargs).unwrapped, set(), set()
    for seed in range(60):
        env.reset(seed=seed)
        met.add(len(env.observations) - 1)
        scored.add(env.scored)
        for time in range(len(env.observations) - 1):
            due = time - (len(env.observations) - 1) + env.scored
            *_, info = env.step(env.right_answers[due] if due >= 0 else 0)
        assert info["score"] == 1.0
    assert met == steps
    assert (
        len(scored)
        == {"Engram-ReverseRecallEasy-v0": 4, "Engram-RepeatPreviousEasy-v0": 4, "Engram-Counting-v0": 1}[env_id]
    )
