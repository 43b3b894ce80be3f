import numpy as np
import pytest
from scipy.stats import binomtest
from sequence_probes import Rigged, transcript

from benchmarks.players.sequences import play
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious


def test_rules_on_a_stream_made_by_hand():
    env = RepeatPrevious(lag=2, length=5, symbols=3)
    env.np_random = Rigged([2, 0, 1, 1, 2])
    observations, visible, rewards, info = transcript(env, [1, 1, 2, 0, 0])
    assert observations == [[0, 2], [0, 0], [1, 1], [1, 1], [1, 2], [0, 3]]
    assert visible == [True, True, True, False, False, False]
    assert rewards == [0, 0, 1 / 3, 1 / 3, -1 / 3]
    assert info == {"cue_visible": False, "score": 2 / 3, "is_success": False}


def test_all_right():
    env = RepeatPrevious(lag=2, length=5, symbols=3)
    env.np_random = Rigged([2, 0, 1, 1, 2])
    *_, rewards, info = transcript(env, [0, 0, 2, 0, 1])
    assert sum(rewards) == pytest.approx(1)
    assert info == {"cue_visible": False, "score": 1.0, "is_success": True}


@pytest.mark.parametrize("back", [0, 1, 2, 4, 5])
def test_another_lag_than_the_right_one_is_at_chance(back):
    env = RepeatPrevious(lag=3, length=53, symbols=4)
    env.reset(seed=0)
    scores = [play(env, lambda seen: seen[-1 - back][1] if len(seen) > back else 0).score for _ in range(60)]
    assert binomtest(round(50 * sum(scores)), 50 * 60, 1 / 4).pvalue > 1e-3


def test_symbols_come_alike_often_and_independently():
    env = RepeatPrevious(lag=1, length=6000, symbols=3)
    env.reset(seed=0)
    stream = np.array([env.step(0)[0][1] for _ in range(5999)])
    pairs = np.bincount(3 * stream[:-1] + stream[1:], minlength=9)[:9]
    np.testing.assert_allclose(pairs / len(stream), 1 / 9, atol=0.015)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lag": 0}, "lag=0 must be a whole number of at least 1"),
        ({"lag": True}, "lag=True must be a whole number"),
        ({"lag": 2.0}, "lag=2.0 must be a whole number"),
        ({"lag": "4"}, "lag='4' must be a whole number"),
        ({"symbols": 1}, "symbols=1 must be a whole number of at least 2"),
        ({"symbols": None}, "symbols=None must be a whole number"),
        ({"lag": 5, "length": 5}, "length=5 must be above lag=5"),
        ({"length": [52]}, r"length=\[52\] must be a pair"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        RepeatPrevious(**arguments)
    assert "\n" not in str(error.value)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert RepeatPrevious(lag=np.int64(3)).lag == 3
