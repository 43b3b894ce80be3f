from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency, chisquare
from sequence_probes import Rigged, transcript

from benchmarks.players.sequences import questions
from engram.envs.tasks.sequences.counting import Counting


def test_rules_on_a_stream_made_by_hand():
    env = Counting(symbols=4, most=2, length=5, queries=2)
    # The symbols (3 and 1 are asked for), their counts, which others (0 or 2) fill the stream, the stream.
    env.np_random = Rigged([3, 1, 0, 2], [2, 0], [1, 1, 0], [2, 3, 0, 3, 2])
    observations, visible, rewards, info = transcript(env, [2, 2, 2, 2, 2, 2, 1])
    assert observations == [[0, 2], [0, 3], [0, 0], [0, 3], [0, 2], [1, 3], [1, 1], [0, 4]]
    assert visible == [True] * 5 + [False] * 3
    assert rewards == [0, 0, 0, 0, 0, 1 / 2, -1 / 2]
    assert info == {"cue_visible": False, "score": 1 / 2, "is_success": False}


def test_all_right():
    env = Counting(symbols=2, most=3, length=3, queries=1)
    env.np_random = Rigged([0, 1], [3], [], [0, 0, 0])
    *_, rewards, info = transcript(env, [0, 0, 0, 3])
    assert rewards == [0, 0, 0, 1]
    assert info == {"cue_visible": False, "score": 1.0, "is_success": True}


def test_every_count_is_as_likely_for_every_query_and_symbol_and_they_are_independent():
    # The shortest stream there can be: where counts had to make room for each other, it would show.
    env = Counting(symbols=3, most=3, length=6, queries=2)
    env.reset(seed=0)
    found = questions(env, 2400)
    both = np.zeros((4, 4), dtype=int)
    np.add.at(both, ([answer for _, answer in found[::2]], [answer for _, answer in found[1::2]]), 1)
    assert chisquare(both.ravel()).pvalue > 1e-3
    assert chi2_contingency(both).pvalue > 1e-3
    for symbol in range(3):
        counts = Counter(answer for seen, answer in found if seen[-1][1] == symbol)
        assert chisquare([counts[count] for count in range(4)]).pvalue > 1e-3


@pytest.mark.parametrize("length", [6, 11])
def test_streams_are_of_one_length_and_show_something_at_every_step(length):
    env = Counting(symbols=4, most=3, length=length, queries=2)
    env.reset(seed=0)
    for seen, _ in questions(env, 200)[1::2]:
        assert len(seen) == length + 2
        assert all(not due and symbol < 4 for due, symbol in seen[:length])
        assert len({symbol for due, symbol in seen if due}) == 2


def test_with_the_length_that_is_named_all_symbols_are_shown_alike_often():
    env = Counting(symbols=6, most=4, length=12, queries=2)
    env.reset(seed=0)
    # Asked for in the last step or not: 12/6 times in the mean.
    counts = [[seen.count((0, symbol)) for symbol in range(6)] for seen, _ in questions(env, 1500)[1::2]]
    asked = [answer for _, answer in questions(env, 1500)]
    np.testing.assert_allclose(np.mean(counts, axis=0), 2, atol=0.15)
    assert np.mean(asked) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("step", [0, 5, 11])
def test_any_one_step_of_the_stream_is_worth_what_it_says(step):
    env = Counting(symbols=6, most=4, length=12, queries=2)
    env.reset(seed=0)
    right = [answer == (4 if seen[step][1] == seen[-1][1] else 0) for seen, answer in questions(env, 1500)[1::2]]
    assert binomtest(sum(right), len(right), (1 + 4 / 12) / 5).pvalue > 1e-3


def test_the_answer_before_tells_nothing():
    env = Counting(symbols=4, most=2, length=8, queries=2)
    env.reset(seed=0)
    found = questions(env, 1500)
    same = [one.answer == other.answer for one, other in zip(found[::2], found[1::2], strict=True)]
    assert binomtest(sum(same), len(same), 1 / 3).pvalue > 1e-3


def test_the_space_stays_when_streams_are_longer():
    short, long = Counting(length=12), Counting(length=96, queries=4)
    assert short.observation_space == long.observation_space
    assert short.action_space == long.action_space


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": 1}, "symbols=1 must be a whole number of at least 2"),
        ({"most": 0}, "most=0 must be a whole number of at least 1"),
        ({"most": True}, "most=True must be a whole number"),
        ({"queries": 6}, "queries=6 must be below symbols=6"),
        ({"queries": 0}, "queries=0 must be a whole number of at least 1"),
        ({"length": 7}, "length=7 must be at least 8, or queries=2 symbols cannot be shown most=4 times each"),
        ({"length": 8.0}, "length=8.0 must be a whole number"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        Counting(**arguments)
    assert "\n" not in str(error.value)
