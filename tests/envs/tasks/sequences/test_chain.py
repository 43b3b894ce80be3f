from collections import Counter, defaultdict

import pytest
from scipy.stats import binomtest, chisquare
from sequence_probes import Rigged, transcript

from benchmarks.players.sequences import questions
from engram.envs.tasks.sequences.chain import Chain


def small(hops=2, symbols=2, seed=0):
    """A chain so small that all there is to know can be met many times over."""
    env = Chain(hops, symbols, alphabet=hops * symbols)
    env.reset(seed=seed)
    return env


def right_with(env, knows, met=4000, asked=2000):
    """Count the right answers of one who has learned what is likely, given what it knows of an episode."""
    answers = defaultdict(Counter)
    for question in questions(env, met):
        answers[knows(question.seen)][question.answer] += 1
    # The last, whatever has not been met before: none of the tests below gets there often.
    best = {known: counted.most_common(1)[0][0] for known, counted in answers.items()}
    return sum(best.get(knows(question.seen), 0) == question.answer for question in questions(env, asked))


def test_rules_on_paths_made_by_hand():
    env = Chain(hops=2, symbols=2, delay=(1, 1), alphabet=5)
    # The hops, the delay, the inner symbols (4 -> 2 -> answer 0 and 0 -> 3 -> answer 1), when each binding is shown,
    # the answer.
    env.np_random = Rigged(2, 1, [4, 0, 2, 3, 1], [3, 0, 1, 2], [0])
    observations, visible, rewards, info = transcript(env, [1, 1, 1, 1, 1, 0])
    assert observations == [[0, 0, 3], [0, 2, 5], [0, 3, 6], [0, 4, 2], [0, 7, 7], [1, 4, 7], [0, 7, 7]]
    assert visible == [True] * 4 + [False] * 3
    assert rewards == [0, 0, 0, 0, 0, 1]
    assert info == {"cue_visible": False, "score": 1.0, "is_success": True}


def test_so_many_hops_are_drawn_alike_often_and_all_is_of_them():
    env = Chain(hops=(1, 3), symbols=2, delay=(1, 1), alphabet=7)
    env.reset(seed=0)
    lengths = Counter()
    for seen, _ in questions(env, 600):
        bindings = [now for now in seen if not now[0] and now[1] != 9]
        lengths[len(bindings)] += 1
        assert len(seen) == len(bindings) + 2
    assert set(lengths) == {2, 4, 6}
    assert chisquare(list(lengths.values())).pvalue > 1e-3


def test_a_wrong_answer():
    env = Chain(hops=1, symbols=3, alphabet=3)
    env.np_random = Rigged(1, 0, [2, 0, 1], [0, 1, 2], [2])
    observations, _, rewards, info = transcript(env, [0, 0, 0, 1])
    assert observations == [[0, 2, 3], [0, 0, 4], [0, 1, 5], [1, 1, 6], [0, 6, 6]]
    assert rewards == [0, 0, 0, -1]
    assert info == {"cue_visible": False, "score": 0.0, "is_success": False}


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_every_start_is_exactly_so_many_look_ups_from_another_answer(hops):
    env = Chain(hops, symbols=4, delay=(0, 3))
    env.reset(seed=0)
    for seen, _ in questions(env, 200):
        bindings = {origin: target for due, origin, target in seen if origin != 20 and not due}
        assert len(bindings) == 4 * hops
        starts = set(bindings) - set(bindings.values())
        assert seen[-1][1] in starts
        symbols = list(starts)
        for _ in range(hops):
            assert all(symbol < 16 for symbol in symbols)
            symbols = [bindings[symbol] for symbol in symbols]
        assert sorted(symbols) == [16, 17, 18, 19]


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_the_start_alone_tells_nothing(hops):
    assert binomtest(right_with(small(hops), lambda seen: seen[-1]), 2000, 1 / 2).pvalue > 1e-3


@pytest.mark.parametrize("which", [0, -2])
@pytest.mark.parametrize(("hops", "symbols"), [(2, 2), (3, 2), (2, 3)])
def test_one_binding_and_the_start_tell_nothing(hops, symbols, which):
    right = right_with(small(hops, symbols), lambda seen: (seen[which], seen[-1]))
    assert binomtest(right, 2000, 1 / symbols).pvalue > 1e-3


def test_with_one_hop_the_last_binding_is_worth_what_it_says():
    # Right for its own start, and one less to choose from for the others: 2/symbols in all.
    right = right_with(small(hops=1, symbols=4), lambda seen: (seen[-2], seen[-1]))
    assert binomtest(right, 2000, 2 / 4).pvalue > 1e-3
    right = right_with(small(hops=1, symbols=4), lambda seen: seen[-2])
    assert binomtest(right, 2000, 1 / 4).pvalue > 1e-3


@pytest.mark.parametrize("hidden", [0, 1])
@pytest.mark.parametrize("symbols", [2, 3])
def test_all_bindings_of_one_layer_and_the_start_tell_nothing(symbols, hidden):
    def knows(seen):
        to_an_answer = hidden == 0
        inner = 2 * symbols
        return seen[-1][1], frozenset(now[1:] for now in seen[:-1] if (now[2] >= inner) == to_an_answer)

    right = right_with(small(2, symbols), knows, met=12_000)
    assert binomtest(right, 2000, 1 / symbols).pvalue > 1e-3


def test_when_bindings_are_shown_tells_nothing():
    env = small(hops=2, symbols=3)
    found = questions(env, 1800)
    for hop in (1, 2):
        times = Counter()
        for seen, _ in found:
            bindings = {origin: (time, target) for time, (_, origin, target) in enumerate(seen[:-1])}
            time, symbol = bindings[seen[-1][1]]
            if hop == 2:
                time, _ = bindings[symbol]
            times[time] += 1
        assert chisquare([times[time] for time in range(6)]).pvalue > 1e-3
    shown_last = [seen[-2][2] - 6 == answer for seen, answer in found if seen[-2][2] >= 6]
    assert binomtest(sum(shown_last), len(shown_last), 1 / 3).pvalue > 1e-3


def test_the_space_stays_when_there_are_more_hops():
    assert Chain(hops=1).observation_space == Chain(hops=4, delay=(5, 9)).observation_space
    assert Chain(hops=1).action_space == Chain(hops=4).action_space


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hops": 0}, "hops=0 must be a whole number of at least 1"),
        ({"hops": True}, "hops=True must be a whole number"),
        ({"hops": (0, 2)}, r"hops=\(0, 2\) must be a pair \(fewest, most\) of whole numbers with 1 <= fewest <= most"),
        ({"hops": (1, 5)}, "alphabet=16 must be at least 20, which is hops=5 times symbols=4"),
        ({"hops": "12"}, "hops='12' must be a whole number"),
        ({"symbols": 1}, "symbols=1 must be a whole number of at least 2"),
        ({"hops": 5}, "alphabet=16 must be at least 20, which is hops=5 times symbols=4"),
        ({"alphabet": None}, "alphabet=None must be a whole number"),
        ({"delay": (2, 1)}, r"delay=\(2, 1\) must be a pair \(fewest, most\)"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        Chain(**arguments)
    assert "\n" not in str(error.value)
