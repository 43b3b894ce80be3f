"""What the interventions prove, on hand-made scores."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from engram.evidence.evaluation.certificate import CERTIFICATE, Certificate
from engram.evidence.evaluation.tables import print_certificate
from engram.evidence.runs.files import LookedAgain, Score
from engram.evidence.statistics import paired_difference_interval, wilson_interval


def scored(successes: int, n: int = 100, again: tuple[int, float | None] | None = None) -> Score:
    low, high = wilson_interval(successes, n)
    looked = None if again is None else LookedAgain(episodes=again[0], success=again[1])
    rates = {"success": successes / n, "success_low": low, "success_high": high, "mean_return": successes / n}
    return Score(episodes=n, mean_length=9.0, distinct_layouts=7, looked_again=looked, **rates)


def compared(scores: dict[str, Score]) -> dict[str, Score]:
    """Return scores with their differences to the intact agent, whose episodes have nothing to do with theirs."""
    found = {"intact": (intact := scores["intact"])}
    for name, score in scores.items():
        if name != "intact":
            a, b, n = score.successes, intact.successes, score.episodes
            both = round(a * b / n)
            low, high = paired_difference_interval(both, a - both, b - both, n - a - b + both)
            ends = {"difference": (a - b) / n, "difference_low": low, "difference_high": high}
            found[name] = score.model_copy(update=ends)
    return found


def certificate(chance: float | None = 0.5, **successes: Any) -> Certificate:
    scores = {name: value if isinstance(value, Score) else scored(value) for name, value in successes.items()}
    return Certificate(compared(scores), chance)


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
    found = Certificate(compared(scores), 0.5, has_memory=False)
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
    only = {"intact": scored(396, 400, again=(12, 1.0)), "wiped_after_cue": scored(392, 400, again=(380, 1.0))}
    found = certificate(**only, **scores)
    assert found.verdict == "needs its memory"
    assert "looked again in 95% of episodes (100% right); it was right in 60% of the others" in found.sentence


def test_more_than_half_of_the_episodes_must_have_seen_the_cue_again() -> None:
    def verdict(again: int) -> str | None:
        scores = {"intact": scored(396, 400, again=(again, 1.0)), "wiped": scored(204, 400)}
        return certificate(**scores, wiped_after_cue=scored(396, 400)).verdict

    assert [verdict(again) for again in (0, 199, 200, 201, 400)] == [*["needs its memory"] * 3, *["looks again"] * 2]


def test_an_agent_that_seldom_looks_again_gets_no_sentence_for_it() -> None:
    def sentence(again: int) -> str:
        return certificate(intact=99, wiped=50, wiped_after_cue=scored(60, again=(again, 1.0))).sentence

    assert "looked again in 10% of episodes (100% right); it was right in 56% of the others" in sentence(10)
    assert "looked again" not in sentence(9)


def with_difference(low: float, high: float) -> Score:
    ends = {"difference": (low + high) / 2, "difference_low": low, "difference_high": high}
    return scored(95).model_copy(update=ends)


def test_a_cost_is_below_zero_and_no_cost_is_above_the_margin() -> None:
    def found(low: float, high: float) -> Certificate:
        return Certificate({"intact": scored(95), "wiped": with_difference(low, high)}, 0.5)

    assert [found(-0.3, high).costs("wiped") for high in (-0.01, 0.0, 0.01)] == [True, False, False]
    assert [found(low, 0.1).costs_nothing("wiped") for low in (-0.06, -0.05, -0.04)] == [False, False, True]
    assert not found(-0.3, -0.1).costs("both_wiped")
    assert not found(-0.3, -0.1).costs_nothing("both_wiped")


def test_solved_is_what_is_surely_above_chance() -> None:
    def verdict(low: float, high: float) -> str | None:
        intact = scored(60).model_copy(update={"success_low": low, "success_high": high})
        return Certificate({"intact": intact, "wiped": with_difference(-0.4, -0.2)}, 0.5).verdict

    assert verdict(0.51, 0.7) == "needs its memory"
    assert verdict(0.5, 0.76) == "inconclusive"  # it may be as good as half-way from chance to always
    assert verdict(0.5, 0.75) == "has not solved the task"


def test_an_overlap_is_no_cost() -> None:
    assert certificate(intact=90, wiped=85, chance=None).verdict == "inconclusive"
    assert not certificate(intact=90, wiped=85).costs("wiped")
    assert not certificate(intact=50, wiped=99).costs("wiped")


def test_it_is_said_in_part_where_the_wiped_agent_beats_chance() -> None:
    assert "in part" in certificate(intact=99, wiped=70).sentence
    assert "in part" not in certificate(intact=99, wiped=55).sentence


def returned(mean: float, low: float, high: float, difference: tuple[float, float, float] | None = None) -> Score:
    names = ("difference", "difference_low", "difference_high")
    return Score(
        episodes=10,
        **dict.fromkeys(("success", "success_low", "success_high")),
        mean_return=mean,
        mean_length=9.0,
        distinct_layouts=0,
        return_low=low,
        return_high=high,
        **dict(zip(names, difference or (None, None, None), strict=True)),
    )


def test_without_success_returns_are_compared_by_their_intervals() -> None:
    intact = returned(9, 8, 10)
    apart = Certificate({"intact": intact, "wiped": returned(3, 2, 4, (-6, -8, -4))}, 0.5)
    assert apart.verdict == "needs its memory"
    assert apart.sentence == "The agent needs its memory: mean return 9.000 intact, mean return 3.000 wiped."
    near = Certificate({"intact": intact, "wiped": returned(8, 7, 9, (-1, -2, 0.5))}, None)
    assert near.verdict == "inconclusive"
    # The margin is a share of the return, here 0.45.
    for low, verdict in ((-0.44, "does not use it"), (-0.46, "inconclusive")):
        same = returned(9, 8, 10, (0, low, 0.5))
        found = Certificate({"intact": intact, "wiped": same, "controller_wiped": same, "both_wiped": same}, None)
        assert found.verdict == verdict
    # Of a single episode nothing is known.
    assert Certificate({"intact": intact, "wiped": returned(9, 8, 10)}, None).verdict == "inconclusive"


def printed(found: Certificate, width: int = 140) -> str:
    text = io.StringIO()
    print_certificate(found, Console(file=text, width=width))
    return text.getvalue()


def test_returns_are_shown_as_returns_with_their_intervals() -> None:
    found = Certificate(
        {"intact": returned(1, 0.996, 1.002), "wiped": returned(-0.5, -0.52, -0.474, (-1.5, -1.522, -1.47))}, None
    )
    shown = printed(found)
    for words in ("return (95 % int.)", "1.000 (0.996-1.002)", "-0.500 (-0.520 to -0.474)"):
        assert words in shown
    assert "-1.500 (-1.522 to -1.470)" in shown
    assert "success" not in shown
    assert "looked again" not in shown  # nobody can tell
    wiped = found.rows()[1]
    assert (wiped["mean_return"], wiped["return_low"], wiped["return_high"]) == (-0.5, -0.52, -0.474)
    # Some envs tell success only when there is some.
    mixed = printed(Certificate({"intact": scored(10, 10), "wiped": returned(0.25, 0.125, 0.5)}, None))
    assert "100.0 % (72.2-100.0)" in mixed
    assert "return 0.250 (0.125-0.500)" in mixed


ALL = compared({name: scored(99) for name in CERTIFICATE})


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
    assert found.listed == list(found.as_part().conditions) == listed
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
    conditions = found.as_part().conditions
    assert set(conditions) == set(CERTIFICATE)
    assert conditions["intact"].difference is None
    assert conditions["wiped"].difference == pytest.approx(-0.09)
    assert "-9.0 (" in shown
