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
    """Return scores with what differs from the intact agent, where as few episodes as possible ended otherwise."""
    found = {"intact": (intact := scores["intact"])}
    for name, score in scores.items():
        if name != "intact":
            a, b, n = score.successes, intact.successes, score.episodes
            both = min(a, b)
            low, high = paired_difference_interval(both, a - both, b - both, n - max(a, b))
            ends = {"difference": (a - b) / n, "difference_low": low, "difference_high": high}
            found[name] = score.model_copy(update={**ends, "lost": b - both, "gained": a - both})
    return found


def certificate(chance: float | None = 0.5, **successes: Any) -> Certificate:
    scores = {name: value if isinstance(value, Score) else scored(value) for name, value in successes.items()}
    return Certificate(compared(scores), chance)


def test_a_sentence_has_the_figures_that_it_rests_on() -> None:
    default = {"intact": scored(99), "wiped": scored(45), "controller_wiped": scored(98), "both_wiped": scored(50)}
    worse = "This agent does worse with its memory wiped"
    assert certificate(**default).sentence == (
        f"{worse}: 99.0% intact, 45.0% wiped (54 of 100 outcomes changed), chance is 50.0%."
    )
    found = certificate(**default, swapped_after_cue=50)
    assert found.sentence == (
        "This agent needs its memory: 99.0% intact, 45.0% wiped (54 of 100 outcomes changed),"
        " 50.0% with another episode's memory after the cue (49 of 100 outcomes changed), chance is 50.0%."
    )
    assert certificate(None, **default).sentence == (
        "Nothing is concluded without a chance level (--chance, or env.chance of the training): 99.0% intact, 45.0%"
        " wiped (54 of 100 outcomes changed)."
    )


def test_without_a_memory_the_controller_is_what_there_is() -> None:
    scores = {"intact": scored(99), "wiped": scored(99), "controller_wiped": scored(50), "both_wiped": scored(50)}
    found = Certificate(compared(scores), 0.5, has_memory=False)
    assert found.verdict == "the controller's state suffices"
    assert found.sentence == (
        "The controller's state suffices this agent, which has no memory beside it: 99.0% intact, 50.0% with its"
        " controller wiped (49 of 100 outcomes changed), chance is 50.0%."
    )


def test_episodes_that_repeat_others_count_once_and_the_sentence_says_so() -> None:
    def found(independent: int, changed: int) -> Certificate:
        scores = compared({"intact": scored(99), "wiped": scored(45)})
        counts = {"independent": independent, "changed_independent": changed}
        return Certificate({name: score.model_copy(update=counts) for name, score in scores.items()}, 0.5)

    assert "repeat" not in found(100, 54).sentence
    # At least six are above chance, and at least eight changed (of which one for the better) are a cost.
    verdicts = [found(*counts).verdict for counts in ((5, 9), (9, 5), (9, 8))]
    assert verdicts == ["inconclusive", "depends on it", "does worse without it"]
    assert found(9, 8).sentence.endswith(
        "chance is 50.0%. Some of the 100 episodes repeat others: together they count as 9."
    )


def test_outcomes_that_do_not_change_hide_no_actions_that_do() -> None:
    def sentence(acted_otherwise: int) -> str:
        wiped = scored(99).model_copy(update={"lost": 0, "gained": 0, "acted_otherwise": acted_otherwise})
        return Certificate({"intact": scored(99), "wiped": wiped}, 0.5).sentence

    assert sentence(61).endswith("chance is 50.0%. It acted otherwise in 61 of 100 episodes, all the same.")
    assert sentence(0).endswith("chance is 50.0%.")


def test_an_agent_that_goes_back_when_its_memory_is_taken_gets_a_sentence_for_it() -> None:
    scores = {"intact": scored(396, 400, again=(12, 1.0)), "wiped": scored(204, 400)}
    found = certificate(**scores, wiped_after_cue=scored(392, 400, again=(380, 1.0)))
    assert "looked again in 95% of episodes (100% right); it was right in 60% of the others" in found.sentence


def test_an_agent_that_seldom_looks_again_gets_no_sentence_for_it() -> None:
    def sentence(again: int) -> str:
        return certificate(intact=99, wiped=50, wiped_after_cue=scored(60, again=(again, 1.0))).sentence

    assert "looked again in 10% of episodes (100% right); it was right in 56% of the others" in sentence(10)
    assert "looked again" not in sentence(9)


def test_it_is_said_in_part_where_the_wiped_agent_beats_chance() -> None:
    assert "needs its memory, in part:" in certificate(intact=99, wiped=70, reads_shuffled=70).sentence
    assert "in part" not in certificate(intact=99, wiped=55, reads_shuffled=55).sentence


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


def test_a_sentence_on_returns_says_so() -> None:
    wiped = returned(3, 2, 4, (-6, -8, -4)).model_copy(update={"lost": 9, "gained": 0})
    found = Certificate({"intact": returned(9, 8, 10), "wiped": wiped}, 0.5)
    assert found.sentence == (
        "This agent does worse with its memory wiped: mean return 9.000 intact, mean return 3.000 wiped (9 of 10"
        " returns changed)."
    )


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
    assert found.verdict == "makes no difference"


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
