"""What the interventions prove, on hand-made scores."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from engram.evidence.evaluation.certificate import CERTIFICATE, Certificate
from engram.evidence.evaluation.scores import LookedAgain, Score
from engram.evidence.evaluation.tables import print_certificate
from engram.evidence.statistics import wilson_interval


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
        ("needs its memory", {"intact": 395, "wiped": 204, "controller_wiped": 394, "both_wiped": 200}),
        ("needs its memory", {"intact": 395, "wiped": 10, "reads_shuffled": 200, "swapped_after_cue": 394}),
        # It has never met an empty memory: whatever is in it will do.
        ("breaks without it", {"intact": 395, "wiped": 10, "reads_shuffled": 394, "swapped_after_cue": 396}),
        (
            "follows it without needing it",
            {"intact": 395, "wiped": 396, "both_wiped": 204, "reads_shuffled": 200},
        ),
        ("the controller's state suffices", {"intact": 395, "wiped": 396, "controller_wiped": 204, "both_wiped": 200}),
        # Either of them is enough.
        ("the controller's state suffices", {"intact": 395, "wiped": 394, "controller_wiped": 396, "both_wiped": 200}),
        ("does not use it", {"intact": 395, "wiped": 394, "controller_wiped": 396, "both_wiped": 395}),
        ("has not solved the task", {"intact": 210, "wiped": 80, "controller_wiped": 200, "both_wiped": 200}),
    ],
)
def test_verdicts(verdict: str, scores: dict[str, int]) -> None:
    assert certificate(**{name: scored(successes, 400) for name, successes in scores.items()}).verdict == verdict


@pytest.mark.parametrize(("intact", "wiped", "n"), [(10, 7, 10), (20, 17, 20), (100, 96, 100), (3, 0, 3)])
def test_too_few_episodes_prove_nothing(intact: int, wiped: int, n: int) -> None:
    assert certificate(intact=scored(intact, n), wiped=scored(wiped, n)).verdict == "inconclusive"
    assert certificate(intact=99, wiped=5, reads_shuffled=96).verdict == "inconclusive"


def test_no_success_at_all_solves_nothing_even_where_chance_is_unknown() -> None:
    assert certificate(None, intact=0, wiped=0).verdict == "has not solved the task"


def test_without_a_memory_the_controller_is_what_there_is() -> None:
    scores = {"intact": scored(99), "wiped": scored(99), "controller_wiped": scored(50), "both_wiped": scored(50)}
    found = Certificate(scores, 0.5, has_memory=False)
    assert found.verdict == "the controller's state suffices"
    assert found.sentence.startswith(
        "The controller's state suffices, without a memory beside it: 99.0% intact, chance"
    )


def test_an_agent_that_sees_the_cue_again_by_itself_looks_again() -> None:
    looking = scored(396, 400, again=(360, 1.0))
    scores = {"wiped": scored(204, 400), "both_wiped": scored(200, 400)}
    once = scored(395, 400, again=(380, 1.0))
    assert certificate(intact=looking, wiped_after_cue=once, **scores).verdict == "looks again"
    # What it knew before was needed all the same.
    found = certificate(intact=looking, wiped_after_cue=scored(240, 400, again=(380, 0.6)), **scores)
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
    assert certificate(intact=90, wiped=85, chance=None).verdict == "inconclusive"
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
    assert Certificate({"intact": returned(9, 8, 10), "wiped": returned(8, 7, 9)}, None).verdict == "inconclusive"
    sure = {name: returned(9, 8.9, 9.1) for name in ("intact", "wiped", "controller_wiped", "both_wiped")}
    assert Certificate(sure, None).verdict == "does not use it"
    # Of a single episode nothing is known.
    alone = Score(1, None, None, None, 3.5, 9.0, 0)
    found = Certificate({"intact": alone, "wiped": alone}, None)
    assert found.difference("wiped") is None
    assert found.verdict == "inconclusive"


def printed(found: Certificate, width: int = 140) -> str:
    text = io.StringIO()
    print_certificate(found, Console(file=text, width=width))
    return text.getvalue()


def test_returns_are_shown_as_returns_with_their_intervals() -> None:
    found = Certificate({"intact": returned(1, 0.996, 1.002), "wiped": returned(-0.5, -0.52, -0.474)}, None)
    shown = printed(found)
    for words in ("return (95 % int.)", "1.000 (0.996-1.002)", "-0.500 (-0.520 to -0.474)"):
        assert words in shown
    assert "-1.500 (-1.522 to -1.470)" in shown
    assert "success" not in shown
    assert "looked again" not in shown  # nobody can tell
    wiped = found.rows()[1]
    assert (wiped["mean return"], wiped["return low"], wiped["return high"]) == (-0.5, -0.52, -0.474)
    # Some envs tell success only when there is some.
    mixed = printed(Certificate({"intact": scored(10, 10), "wiped": returned(0.25, 0.125, 0.5)}, None))
    assert "100.0% (72.2-100.0)" in mixed
    assert "return 0.250 (0.125-0.500)" in mixed


ALL = {name: scored(99) for name in CERTIFICATE}


@pytest.mark.parametrize(
    ("has_memory", "has_state", "left_out"),
    [
        (True, True, set()),
        (True, False, {"controller_wiped", "both_wiped"}),
        (False, True, set(CERTIFICATE) - {"intact", "controller_wiped"}),
        (False, False, set(CERTIFICATE) - {"intact"}),
    ],
)
def test_what_has_nothing_to_act_on_is_not_listed(has_memory: bool, has_state: bool, left_out: set[str]) -> None:
    found = Certificate(ALL, 0.5, has_memory, has_state)
    listed = [name for name in CERTIFICATE if name not in left_out]
    assert found.listed == list(found.as_json()["conditions"]) == listed
    assert [row["done to the agent"] for row in found.rows()] == [CERTIFICATE[name] for name in listed]
    shown = printed(found)
    assert [name for name, meaning in CERTIFICATE.items() if f" {meaning} " in shown] == listed
    # The verdict rests on them all the same.
    assert found.verdict == "does not use it"


def test_without_wiping_nothing_is_proved() -> None:
    found = certificate(intact=99)
    assert found.verdict is None
    assert found.sentence == "Its memory was left alone: 99.0% intact, chance is 50.0%."


def test_the_table_and_the_file_have_what_was_played() -> None:
    found = certificate(**{name: 90 - 9 * number for number, name in enumerate(CERTIFICATE)})
    shown = " ".join(printed(found).split())
    assert all(meaning in shown for meaning in CERTIFICATE.values())
    content = found.as_json()
    assert set(content["conditions"]) == set(CERTIFICATE)
    assert content["conditions"]["intact"]["difference"] is None
    assert content["conditions"]["wiped"]["difference"] == pytest.approx(-0.09)
