from collections import Counter

import pytest
from scipy.stats import binomtest, chisquare
from sequence_probes import Rigged, transcript

from benchmarks.players.sequences import questions
from engram.envs.spans import chance_by_logarithm
from engram.envs.tasks.sequences.binding import Binding


def test_rules_on_pairs_made_by_hand():
    env = Binding(cues=3, answers=2, delay=(2, 2), alphabet=5)
    # How many, the delay, the alphabet in random order, the answers of the first three, the order of the queries.
    env.np_random = Rigged(3, 2, [4, 0, 3, 1, 2], [1, 1, 0], [2, 0, 1])
    observations, visible, rewards, info = transcript(env, [1, 1, 0, 0, 0, 0, 1, 0])
    pairs, queries = [[0, 4, 1], [0, 0, 1], [0, 3, 0]], [[1, 3, 2], [1, 4, 2], [1, 0, 2]]
    assert observations == [*pairs, [0, 5, 2], [0, 5, 2], *queries, [0, 5, 2]]
    assert visible == [True] * 3 + [False] * 6
    assert rewards == [0, 0, 0, 0, 0, 1 / 3, 1 / 3, -1 / 3]
    assert info == {"cue_visible": False, "score": 2 / 3, "is_success": False}


def test_fewer_queries_than_cues():
    env = Binding(cues=3, answers=2, queries=2, alphabet=3)
    env.np_random = Rigged(3, 0, [2, 0, 1], [1, 0, 0], [1, 0, 2])
    observations, _, rewards, info = transcript(env, [0, 0, 0, 0, 1])
    assert observations == [[0, 2, 1], [0, 0, 0], [0, 1, 0], [1, 0, 2], [1, 2, 2], [0, 3, 2]]
    assert rewards == [0, 0, 0, 1 / 2, 1 / 2]
    assert info == {"cue_visible": False, "score": 1.0, "is_success": True}


def test_no_cue_is_shown_or_asked_for_twice_and_every_delay_comes():
    env = Binding(cues=6, answers=3, delay=(1, 4), queries=4, alphabet=8)
    env.reset(seed=0)
    found = questions(env, 200)
    lengths = Counter()
    for seen, _ in found[3::4]:
        assert len({cue for _, cue, _ in seen[:6]} - {8}) == 6
        assert len({cue for due, cue, _ in seen if due} - {8}) == 4
        assert all(now == (0, 8, 3) for now in seen[6:-4])
        lengths[len(seen)] += 1
    assert set(lengths) == {11, 12, 13, 14}


def test_every_cue_comes_alike_often_at_every_place():
    env = Binding(cues=4, answers=3, queries=2, alphabet=6)
    env.reset(seed=0)
    whole = [seen for seen, _ in questions(env, 900)[1::2]]
    for place in range(6):
        cues = Counter(seen[place][1] for seen in whole)
        assert chisquare([cues[cue] for cue in range(6)]).pvalue > 1e-3
    # Where a cue stood among the pairs has no influence on when it is asked for.
    places = Counter([now[1] for now in seen].index(seen[4][1]) for seen in whole)
    assert chisquare([places[place] for place in range(4)]).pvalue > 1e-3


def test_the_last_pair_is_worth_one_cue_and_no_more():
    env = Binding(cues=5, answers=3)
    env.reset(seed=0)
    asked_for, other = [], []
    for seen, answer in questions(env, 300):
        _, cue, answered = seen[4]
        (asked_for if cue == seen[-1][1] else other).append(answered == answer)
    assert all(asked_for)
    assert len(asked_for) == 300
    assert binomtest(sum(other), len(other), 1 / 3).pvalue > 1e-3


@pytest.mark.parametrize("rank", [0, -1])
def test_all_other_pairs_tell_nothing(rank):
    # Were answers drawn from a deck, the one met least often among the others would be the better guess.
    env = Binding(cues=6, answers=3)
    env.reset(seed=0)
    right = []
    for seen, answer in questions(env, 300)[5::6]:
        others = Counter(answered for due, cue, answered in seen if not due and cue != seen[-1][1])
        right.append(sorted(range(3), key=lambda one, others=others: others[one])[rank] == answer)
    assert binomtest(sum(right), 300, 1 / 3).pvalue > 1e-3


def test_cues_of_several_digits_by_hand():
    env = Binding(cues=3, answers=2, queries=2, alphabet=7, digits=3)
    # How many, no delay, three of the 343 cues, the answers, the order of the queries.
    env.np_random = Rigged(3, 0, [342, 5, 50], [1, 1, 0], [2, 0, 1])
    observations, visible, rewards, _ = transcript(env, [0, 0, 0, 0, 0])
    pairs, queries = [[0, 6, 6, 6, 1], [0, 0, 0, 5, 1], [0, 1, 0, 1, 0]], [[1, 1, 0, 1, 2], [1, 6, 6, 6, 2]]
    assert observations == [*pairs, *queries, [0, 7, 7, 7, 2]]
    assert visible == [True] * 3 + [False] * 3
    assert rewards == [0, 0, 0, 1 / 2, -1 / 2]


def test_cues_of_several_digits_are_different_and_alike_often():
    env = Binding(cues=7, answers=3, queries=4, alphabet=3, digits=2)
    env.reset(seed=0)
    first = Counter()
    for seen, _ in questions(env, 900)[3::4]:
        shown, asked = {now[1:3] for now in seen[:7]}, {now[1:3] for now in seen[7:]}
        assert (len(shown), len(asked)) == (7, 4)
        assert asked < shown
        first[seen[0][1:3]] += 1
    assert chisquare([first[one, other] for one in range(3) for other in range(3)]).pvalue > 1e-3


def test_many_cues_are_drawn_from_a_number_that_no_memory_could_hold():
    env = Binding(cues=1000, queries=10, alphabet=32, digits=12)
    env.reset(seed=0)
    assert len({tuple(row) for row in env.observations[:1000, 1:-1].tolist()}) == 1000
    assert set(env.observations[:1000, 1:-1].flatten().tolist()) == set(range(32))


def test_one_digit_is_the_task_without_digits():
    one, without = Binding(cues=6, digits=1), Binding(cues=6)
    assert one.observation_space == without.observation_space
    for seed in range(3):
        for env in (one, without):
            env.reset(seed=seed)
        assert (one.observations == without.observations).all()


def test_lone_cues_by_hand():
    env = Binding(cues=2, answers=3, lone=3, alphabet=6)
    # How many, no delay, the alphabet in random order, the answers, the order of the queries, when what is shown.
    env.np_random = Rigged(2, 0, [4, 0, 3, 1, 2], [1, 2], [1, 0], [3, 1, 4, 0, 2])
    observations, visible, rewards, _ = transcript(env, [0] * 5 + [2, 0])
    shown, queries = [[0, 1, 3], [0, 0, 2], [0, 2, 3], [0, 4, 1], [0, 3, 3]], [[1, 0, 3], [1, 4, 3]]
    assert observations == [*shown, *queries, [0, 6, 3]]
    assert visible == [True] * 5 + [False] * 3
    assert rewards == [0] * 5 + [1 / 2, -1 / 2]


def test_lone_cues_are_never_asked_for_and_come_anywhere():
    env = Binding(cues=3, answers=2, lone=(0, 14), alphabet=5, digits=2)
    env.reset(seed=0)
    places, numbers = Counter(), Counter()
    for seen, _ in questions(env, 800)[2::3]:
        shown = [now for now in seen if not now[0]]
        cues = [now[1:3] for now in shown]
        pairs = [place for place, now in enumerate(shown) if now[3] < 2]
        assert len(set(cues)) == len(cues)
        assert {cues[place] for place in pairs} == {now[1:3] for now in seen if now[0]}
        numbers[len(shown) - 3] += 1
        if len(shown) == 4:
            places[min(set(range(4)) - set(pairs))] += 1
    expected = [800 * chance_by_logarithm(lone, (0, 14)) for lone in range(15)]
    assert chisquare([numbers[lone] for lone in range(15)], expected).pvalue > 1e-3
    assert chisquare([places[place] for place in range(4)]).pvalue > 1e-3


def test_the_space_stays_when_there_are_more_cues():
    few, many = Binding(cues=3), Binding(cues=20, delay=(5, 9), queries=7)
    assert few.observation_space == many.observation_space
    assert few.action_space == many.action_space


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cues": 0}, "cues=0 must be a whole number of at least 1"),
        ({"answers": 1}, "answers=1 must be a whole number of at least 2"),
        ({"answers": True}, "answers=True must be a whole number"),
        ({"queries": 9}, "queries=9 must be a whole number from 1 to 8"),
        ({"queries": 0}, "queries=0 must be a whole number from 1 to 8"),
        ({"cues": 33}, "cues=33 must be at most alphabet=32"),
        ({"alphabet": 0.5}, "alphabet=0.5 must be a whole number"),
        ({"digits": 0}, "digits=0 must be a whole number of at least 1"),
        ({"cues": 10, "alphabet": 3, "digits": 2}, r"cues=10 must be at most alphabet\^digits=3\^2"),
        ({"alphabet": 2, "digits": 63}, r"digits=63 is too large: alphabet\^digits = 2\^63 must be below 2\^63"),
        ({"cues": (0, 3)}, r"cues=\(0, 3\) must be a pair \(fewest, most\) of whole numbers with 1 <= fewest <= most"),
        ({"lone": -1}, "lone=-1 must be a whole number of at least 0"),
        ({"lone": (0, 25)}, "cues=8, with lone=25, must be at most alphabet=32"),
        ({"cues": (3, 33)}, "cues=33 must be at most alphabet=32"),
        ({"cues": (3, 8), "queries": 4}, "queries=4 must be a whole number from 1 to 3"),
        ({"delay": 5}, r"delay=5 must be a pair \(fewest, most\) of whole numbers with 0 <= fewest <= most"),
        ({"delay": (3, 2)}, r"delay=\(3, 2\) must be a pair"),
        ({"delay": (-1, 2)}, r"delay=\(-1, 2\) must be a pair"),
        ({"delay": (0, True)}, r"delay=\(0, True\) must be a pair"),
        ({"delay": (0, 1, 2)}, r"delay=\(0, 1, 2\) must be a pair"),
        ({"delay": "35"}, "delay='35' must be a pair"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        Binding(**arguments)
    assert "\n" not in str(error.value)
