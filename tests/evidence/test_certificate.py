"""What the interventions prove, on hand-made scores."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from agents.evaluation import wilson_interval
from evidence.certificate import CERTIFICATE, Certificate, print_certificate
from evidence.scores import LookedAgain, Score


def scored(successes: int, n: int = 100, again: tuple[int, float | None] | None = None) -> Score:
    low, high = wilson_interval(successes, n)
    looked = None if again is None else LookedAgain(*again)
    return Score(n, successes / n, low, high, successes / n, 9.0, 7, looked)


def certificate(chance: float | None = 0.5, **successes: Any) -> Certificate:
    scores = {name: value if isinstance(value, Score) else scored(value) for name, value in successes.items()}
    return Certificate(scores, chance)


@pytest.mark.parametrize(
    ("verdict", "scores"),
    [
        ("needs its memory", {"intact": 99, "wiped": 51, "controller_wiped": 98, "both_wiped": 50}),
        ("the controller's state suffices", {"intact": 99, "wiped": 98, "controller_wiped": 52, "both_wiped": 50}),
        # Either of them is enough.
        ("the controller's state suffices", {"intact": 99, "wiped": 98, "controller_wiped": 97, "both_wiped": 50}),
        ("does not use it", {"intact": 99, "wiped": 98, "controller_wiped": 97, "both_wiped": 98}),
        ("has not solved the task", {"intact": 53, "wiped": 20, "controller_wiped": 50, "both_wiped": 50}),
    ],
)
def test_verdicts(verdict: str, scores: dict[str, int]) -> None:
    assert certificate(**scores).verdict == verdict


def test_an_agent_that_sees_the_cue_again_by_itself_looks_again() -> None:
    looking = scored(99, again=(90, 1.0))
    scores = {"wiped": 51, "controller_wiped": 98, "both_wiped": 50}
    assert certificate(intact=looking, wiped_after_cue=scored(98, again=(95, 1.0)), **scores).verdict == "looks again"
    # What it knew before was needed all the same.
    found = certificate(intact=looking, wiped_after_cue=scored(60, again=(95, 0.6)), **scores)
    assert found.verdict == "needs its memory"
    # It goes back only when its memory is taken.
    found = certificate(intact=scored(99, again=(3, 1.0)), wiped_after_cue=scored(98, again=(95, 1.0)), **scores)
    assert found.verdict == "needs its memory"
    assert "looked again in 95% of episodes (100% right); it was right in 60% of the others" in found.sentence


def test_a_difference_has_the_right_sign_and_an_interval() -> None:
    found = certificate(intact=90, wiped=40).difference("wiped")
    assert found is not None
    assert found.mean == pytest.approx(-0.5)
    assert found.low < found.mean < found.high < 0
    assert certificate(intact=90).difference("wiped") is None


def test_an_overlap_is_no_cost() -> None:
    assert certificate(intact=90, wiped=85, chance=None).verdict == "does not use it"
    assert not certificate(intact=90, wiped=85).costs("wiped")
    assert not certificate(intact=50, wiped=99).costs("wiped")


def test_it_is_said_in_part_where_the_wiped_agent_beats_chance() -> None:
    assert "in part" in certificate(intact=99, wiped=70).sentence
    assert "in part" not in certificate(intact=99, wiped=55).sentence


def returned(mean: float, low: float, high: float) -> Score:
    return Score(10, None, None, None, mean, 9.0, 0, return_low=low, return_high=high)


def test_without_success_returns_are_compared_by_their_intervals() -> None:
    apart = Certificate({"intact": returned(9, 8, 10), "wiped": returned(3, 2, 4)}, 0.5)
    assert apart.verdict == "needs its memory"
    assert apart.difference("wiped") == (-6, -8, -4)
    assert apart.sentence == "The agent needs its memory: mean return 9.000 intact, mean return 3.000 wiped."
    assert Certificate({"intact": returned(9, 8, 10), "wiped": returned(8, 7, 9)}, None).verdict == "does not use it"
    # Of a single episode nothing is known.
    alone = Score(1, None, None, None, 3.5, 9.0, 0)
    found = Certificate({"intact": alone, "wiped": alone}, None)
    assert found.difference("wiped") is None
    assert found.verdict == "does not use it"


def test_without_wiping_nothing_is_proved() -> None:
    found = certificate(intact=99)
    assert found.verdict is None
    assert found.sentence == "Its memory was left alone: 99.0% intact, chance is 50.0%."


def test_the_table_and_the_file_have_what_was_played() -> None:
    found = certificate(**{name: 90 - 9 * number for number, name in enumerate(CERTIFICATE)})
    text = io.StringIO()
    print_certificate(found, Console(file=text, width=140))
    shown = " ".join(text.getvalue().split())
    assert all(meaning in shown for meaning in CERTIFICATE.values())
    content = found.as_json()
    assert set(content["conditions"]) == set(CERTIFICATE)
    assert content["conditions"]["intact"]["difference"] is None
    assert content["conditions"]["wiped"]["difference"] == pytest.approx(-0.09)
