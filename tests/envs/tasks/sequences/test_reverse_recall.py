import pytest
from scipy.stats import binomtest
from sequence_probes import Rigged, transcript

from benchmarks.players.sequences import play, questions
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall


def test_rules_on_a_sequence_made_by_hand():
    env = ReverseRecall(length=3, symbols=4)
    env.np_random = Rigged([3, 0, 1])
    observations, visible, rewards, info = transcript(env, [3, 3, 3, 1, 1, 3])
    assert observations == [[0, 3], [0, 0], [0, 1], [1, 4], [1, 4], [1, 4], [0, 4]]
    assert visible == [True] * 3 + [False] * 4
    assert rewards == [0, 0, 0, 1 / 3, -1 / 3, 1 / 3]
    assert info == {"cue_visible": False, "score": 2 / 3, "is_success": False}


def test_all_right():
    env = ReverseRecall(length=3, symbols=4)
    env.np_random = Rigged([3, 0, 1])
    *_, rewards, info = transcript(env, [0, 0, 0, 1, 0, 3])
    assert sum(rewards) == pytest.approx(1)
    assert info == {"cue_visible": False, "score": 1.0, "is_success": True}


def test_the_last_symbol_is_worth_one_answer_and_no_more():
    env = ReverseRecall(length=10, symbols=4)
    env.reset(seed=0)
    found = questions(env, 300)
    for number in range(10):
        right = [seen[9][1] == answer for seen, answer in found[number::10]]
        assert all(right) if number == 0 else binomtest(sum(right), 300, 1 / 4).pvalue > 1e-3


def test_from_the_first_to_the_last_is_at_chance():
    env = ReverseRecall(length=10, symbols=4)
    env.reset(seed=0)
    scores = [play(env, lambda seen: seen[len(seen) - 11][1] if seen[-1][0] else 0).score for _ in range(300)]
    # Both ends of the same pair are right or wrong together, so that the pairs are counted.
    assert all(round(10 * score) % 2 == 0 for score in scores)
    assert binomtest(round(5 * sum(scores)), 5 * 300, 1 / 4).pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length=0 must be a whole number of at least 1"),
        ({"length": False}, "length=False must be a whole number"),
        ({"length": 5.5}, "length=5.5 must be a whole number"),
        ({"symbols": 1}, "symbols=1 must be a whole number of at least 2"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        ReverseRecall(**arguments)
    assert "\n" not in str(error.value)
