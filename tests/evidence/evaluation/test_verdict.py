"""What may be said of an agent: on hand-made scores, and on simulated agents of known kind."""

from __future__ import annotations

import pytest

from benchmarks.verdicts import KINDS, PLAYED, said, wrong
from engram.evidence.evaluation.verdict import LEADS, LEADS_WITHOUT, costs, verdict
from engram.evidence.runs.files import LookedAgain, Score

LARGEST = 0.05
N = 211


def played(
    right: int | None,
    lost: int | None = None,
    gained: int | None = None,
    n: int = N,
    again: int | None = None,
    **more: float,
) -> Score:
    """Return a score with nothing but what a verdict asks for."""
    return Score(
        episodes=n,
        success=None if right is None else right / n,
        success_low=None,
        success_high=None,
        **{"mean_return": 9.0, **more},
        mean_length=1.0,
        distinct_layouts=0,
        looked_again=None if again is None else LookedAgain(episodes=again, success=None),
        lost=lost,
        gained=gained,
    )


INTACT, SAME, WORSE, ASTRAY = played(207), played(207, 1, 1), played(110, 99, 2), played(103, 106, 2)


@pytest.mark.parametrize(("episodes", "different"), PLAYED)
@pytest.mark.parametrize("kind", KINDS)
def test_of_simulated_agents_of_known_kind_next_to_nothing_wrong_is_said(
    kind: str, episodes: int, different: int
) -> None:
    assert wrong(KINDS[kind], said(KINDS[kind], episodes, different, evaluations=10_000)) <= LARGEST


@pytest.mark.parametrize("kind", KINDS)
def test_of_200_episodes_what_is_to_be_expected_is_said_nearly_always(kind: str) -> None:
    found = said(KINDS[kind], 200, 200, evaluations=500)
    for what, right in (("default", KINDS[kind].default), ("certificate", KINDS[kind].certificate)):
        assert found[what][right[0]] >= 0.93 * 500


@pytest.mark.parametrize(
    ("expected", "scores"),
    [
        ("does worse without it", {"wiped": WORSE, "controller_wiped": SAME, "both_wiped": WORSE}),
        ("needs its memory", {"wiped": WORSE, "reads_shuffled": ASTRAY}),
        ("needs its memory", {"wiped": WORSE, "reads_shuffled": SAME, "swapped_after_cue": ASTRAY}),
        ("breaks without it", {"wiped": WORSE, "reads_shuffled": SAME, "swapped_after_cue": SAME}),
        # One of the two exchanges is undecided, so that only what is certain is said.
        ("does worse without it", {"wiped": WORSE, "reads_shuffled": SAME, "swapped_after_cue": played(203, 8, 4)}),
        ("follows it without needing it", {"wiped": SAME, "reads_shuffled": ASTRAY, "both_wiped": WORSE}),
        ("the controller's state suffices", {"wiped": SAME, "controller_wiped": WORSE, "both_wiped": WORSE}),
        # Either of them is enough.
        ("the controller's state suffices", {"wiped": SAME, "controller_wiped": SAME, "both_wiped": WORSE}),
        ("makes no difference", {"wiped": SAME, "controller_wiped": SAME, "both_wiped": SAME}),
        ("depends on it", {"wiped": played(207, 9, 9)}),
        ("does better without it", {"wiped": played(211, 0, 6)}),
        ("inconclusive", {"wiped": played(205, 4, 2)}),
        ("not the same episodes", {"wiped": played(110)}),
        ("episodes were cut", {"wiped": played(110).model_copy(update={"cut": 2})}),
    ],
)
def test_what_is_said_of_whom(expected: str, scores: dict[str, Score]) -> None:
    assert verdict({"intact": INTACT, **scores}, 0.5) == expected


def test_nothing_is_said_without_a_chance_level_or_without_wiping() -> None:
    assert verdict({"intact": played(100), "wiped": played(0, 100, 0)}, None) == "chance is unknown"
    assert verdict({"intact": INTACT, "reads_shuffled": WORSE}, 0.5) is None


def test_means_that_are_equal_hide_no_outcome_that_flips() -> None:
    scores = {"intact": played(94, n=200), "wiped": played(106, 94, 106, n=200)}
    assert verdict(scores, 0.25) == "depends on it"
    assert verdict(scores, 0.5) == "has not solved the task"


def test_solved_is_what_is_surely_above_chance() -> None:
    # Of 20 at a chance of 1/2, fifteen or more have a probability of 0.0207, fourteen or more of 0.0577; half-way from
    # chance to always is 3/4, of which ten or fewer have one of 0.0139, eleven or fewer of 0.0409.
    def of(right: int) -> str | None:
        return verdict({"intact": played(right, n=20), "wiped": played(0, right, 0, n=20)}, 0.5)

    assert [of(right) for right in (0, 10, 11, 14, 15)] == [
        *["has not solved the task"] * 2,
        *["inconclusive"] * 2,
        "does worse without it",
    ]


def test_a_cost_is_a_sign_test_of_the_episodes_that_differ() -> None:
    # Six of six have a probability of 1/64, five of five of 1/32; eight of nine of 10/512.
    pairs = [(5, 0), (6, 0), (7, 1), (8, 1), (0, 6), (60, 50)]
    assert [costs(played(100, lost, gained)) for lost, gained in pairs] == [False, True, False, True, False, False]


def test_no_difference_takes_73_episodes_at_least() -> None:
    found = [verdict({"intact": played(n, n=n), "wiped": played(n, 0, 0, n=n)}, 0.5) for n in (20, 50, 71, 72, 73, 200)]
    assert found == [*["inconclusive"] * 3, *["makes no difference"] * 3]


def test_who_sees_the_cue_again_in_most_episodes_is_not_said_to_need_its_memory() -> None:
    def of(again: int, once: Score | None) -> str | None:
        scores = {"intact": played(207, again=again), "wiped": WORSE, "reads_shuffled": ASTRAY}
        return verdict(scores if once is None else {**scores, "wiped_after_cue": once}, 0.5)

    assert [of(again, SAME) for again in (0, 105, 106, 211)] == [*["needs its memory"] * 2, *["looks again"] * 2]
    # Whether it can do without what it knew before is not known; or it cannot.
    assert of(211, None) == of(211, played(203, 8, 4)) == "does worse without it"
    assert of(211, WORSE) == "needs its memory"


def test_without_a_memory_only_the_controller_is_spoken_of() -> None:
    scores = {"intact": INTACT, "wiped": SAME, "controller_wiped": SAME}
    assert verdict({**scores, "both_wiped": SAME}, 0.5, has_memory=False) == "makes no difference"
    assert verdict({**scores, "both_wiped": WORSE}, 0.5, has_memory=False) == "the controller's state suffices"
    assert verdict({**scores, "both_wiped": played(203, 8, 4)}, 0.5, has_memory=False) == "inconclusive"


def returned(low: float, high: float, lost: int, gained: int) -> Score:
    return played(None, lost, gained, difference=(low + high) / 2, difference_low=low, difference_high=high)


@pytest.mark.parametrize("chance", [None, 0.5])
def test_of_returns_only_differences_are_told(chance: float | None) -> None:
    worse, same = returned(-3.0, -1.0, 150, 50), returned(-0.1, 0.1, 1, 1)

    def of(**scores: Score) -> str | None:
        return verdict({"intact": played(None), **scores}, chance)

    assert of(wiped=worse, reads_shuffled=worse) == "does worse without it"
    assert of(wiped=worse, reads_shuffled=same, swapped_after_cue=same) == "breaks without it"
    assert of(wiped=returned(-1.0, 0.1, 150, 50)) == "depends on it"
    assert of(wiped=returned(0.1, 1.0, 50, 150)) == "does better without it"
    assert of(wiped=same, both_wiped=same) == "makes no difference"
    assert of(wiped=returned(-1.0, 0.1, 8, 4)) == "inconclusive"


def test_a_return_that_repeats_one_is_a_single_one() -> None:
    def of(independent: int, changed: int) -> str | None:
        counts = {"independent": independent, "changed_independent": changed, "difference": -2.0}
        same = returned(-3.0, -1.0, 200, 0).model_copy(update=counts)
        return verdict({"intact": played(None), "wiped": same}, None)

    assert of(N, N) == of(N // 3, 6) == "does worse without it"
    # With a fourth of the episodes an interval is twice as wide; five that differ are not enough.
    assert of(N // 4 - 1, 6) == of(N // 3, 5) == "depends on it"


def test_every_sentence_can_be_right_for_some_kind_of_agent() -> None:
    right = {words for kind in KINDS.values() for words in (*kind.default, *kind.certificate)}
    assert right | {"inconclusive", "not the same episodes", "episodes were cut"} == set(LEADS)
    assert set(LEADS_WITHOUT) < set(LEADS)
