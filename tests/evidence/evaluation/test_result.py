"""Scores, their file, their table and the sentence that sums them up."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from engram.agents.evaluation.episodes import Episodes
from engram.evidence.evaluation.result import EvaluationResult
from engram.evidence.evaluation.scores import score
from engram.evidence.evaluation.tables import print_result
from engram.evidence.runs.files import EvaluationFile, LookedAgain, Score, keys_of
from engram.evidence.runs.settings import Condition


def played(successes: int, n: int, again: tuple[int, ...] = (), cue_known: bool = False) -> Episodes:
    layouts = np.array([f"layout {i % 3}" for i in range(n)], dtype=object)
    looked = np.isin(np.arange(n), again)
    return Episodes(
        np.arange(n) < successes,
        np.linspace(0, 1, n),
        np.arange(n) + 2,
        layouts,
        looked,
        looked | True,
        *[np.arange(n)] * 3,
        cue_known,
    )


def scored(successes: int, n: int = 40, intact: int | None = None) -> Score:
    return score(played(successes, n), knows_success=True, intact=None if intact is None else played(intact, n))


def result_of(
    intact: int, wiped: int, memory: str = "episodic", chance: float | None = None, controller: str = "lstm"
) -> EvaluationResult:
    how = {"checkpoint": "best", "episodes": 40, "seed": 3}
    about = {"env": "Maze-v0", "memory": memory, "controller": controller, "chance": chance, **how}
    return EvaluationResult(
        about, {Condition(): scored(intact), Condition(intervention="wiped"): scored(wiped, intact=intact)}
    )


def test_score_sums_up_episodes() -> None:
    result = score(played(3, 5), knows_success=True)
    assert (result.episodes, result.success, result.mean_return, result.mean_length) == (5, 0.6, 0.5, 4.0)
    # Wilson (1927) for 3 of 5.
    assert (result.success_low, result.success_high) == pytest.approx((0.2307, 0.8824), abs=1e-4)
    assert (result.distinct_layouts, result.fewest_per_layout, result.most_per_layout) == (3, 1, 2)


def test_unknown_success_is_not_zero() -> None:
    result = score(played(0, 5), knows_success=False)
    assert (result.success, result.success_low, result.success_high) == (None, None, None)


def test_the_interval_of_the_return_is_around_its_mean() -> None:
    result = score(played(3, 50), knows_success=False)
    assert result.return_low is not None
    assert result.return_high is not None
    assert 0.3 < result.return_low < result.mean_return < result.return_high < 0.7
    alone = score(played(1, 1), knows_success=True)
    assert (alone.return_low, alone.return_high) == (None, None)


def test_who_looked_again_is_scored_apart() -> None:
    # Of seven episodes the first three succeeded; three of all looked again, of which two succeeded.
    result = score(played(3, 7, again=(0, 2, 5), cue_known=True), knows_success=True)
    assert result.looked_again == LookedAgain.model_construct(episodes=3, success=pytest.approx(2 / 3))
    assert result.without_looking == pytest.approx(1 / 4)
    nobody = score(played(3, 7, cue_known=True), knows_success=True)
    assert nobody.looked_again == LookedAgain(episodes=0, success=None)
    assert nobody.without_looking == pytest.approx(3 / 7)
    everybody = score(played(3, 7, again=tuple(range(7)), cue_known=True), knows_success=True)
    assert everybody.without_looking is None


@pytest.mark.parametrize(("cue_known", "knows_success"), [(False, True), (True, False)])
def test_where_cue_or_success_are_not_told_it_is_unknown_who_looked_again(cue_known: bool, knows_success: bool) -> None:
    result = score(played(3, 7, again=(1,), cue_known=cue_known), knows_success=knows_success)
    assert result.looked_again is None
    assert result.without_looking is None


def test_the_sentence_is_that_of_the_certificate() -> None:
    found = result_of(39, 5, chance=0.5)
    assert found.certificate.verdict == "does worse without it"
    assert found.as_json()["verdict"] == found.certificate.sentence
    assert "97.5% intact, 12.5% wiped (34 of 40 outcomes changed), chance is 50.0%." in found.certificate.sentence
    assert result_of(39, 5).certificate.verdict == "chance is unknown"
    assert result_of(39, 39, memory="none").certificate.has_memory is False


def test_the_certificate_is_of_the_task_as_trained_and_the_most_likely_actions() -> None:
    whole = result_of(39, 5)
    whole.scores[Condition("size 13", "both_wiped")] = scored(7)
    whole.scores[Condition(intervention="both_wiped", deterministic=False)] = scored(9)
    assert set(whole.certificate.scores) == {"intact", "wiped"}
    whole.scores[Condition(intervention="both_wiped")] = scored(11)
    assert whole.certificate.scores["both_wiped"].successes == 11


def test_file_has_its_documented_keys() -> None:
    whole = result_of(39, 5, chance=0.5)
    whole.scores[Condition(deterministic=False)] = scored(30)
    whole.scores[Condition("size 13")] = scored(20)
    whole.scores[Condition("size 13", "wiped")] = scored(10)
    content = json.loads(json.dumps(whole.as_json()))
    assert content["success"] == content["intact"]["success"] == 0.975
    assert content["wiped"]["success"] == 0.125
    assert content["sampled"]["intact"]["success"] == 0.75
    assert content["test_settings"]["size 13"]["intact"]["success"] == 0.5
    assert content["test_settings"]["size 13"]["wiped"]["success"] == 0.25
    assert content["env"] == "Maze-v0"
    assert content["verdict"] == content["certificate"]["sentence"]
    assert content["certificate"]["verdict"] == "does worse without it"
    conditions = content["certificate"]["conditions"]
    assert set(conditions) == {"intact", "wiped"}
    assert conditions["wiped"]["difference"] == pytest.approx(-0.85)
    # All of it is documented, and read back as it was written.
    documented = {key for key, _ in keys_of(EvaluationFile)}
    assert set(content) <= documented
    assert {f"intact.{key}" for key in content["intact"]} <= documented
    assert {
        "test_settings.NAME.wiped.success",
        "certificate.conditions.NAME.difference",
        "sampled.intact",
    } <= documented
    assert all(meaning for _, meaning in keys_of(EvaluationFile))
    read = EvaluationFile.model_validate_json(json.dumps(content))
    assert read.model_dump(exclude_unset=True) == content


def test_the_same_episodes_are_compared_as_pairs() -> None:
    # Of 40 episodes the first 30 against the first 25: none is lost elsewhere, so that the difference is sharp.
    nested = scored(25, intact=30)
    assert nested.difference == pytest.approx(-5 / 40)
    assert nested.difference_high < 0
    assert (nested.lost, nested.gained, nested.changed) == (5, 0, 5)
    # The same rates in other episodes prove nothing.
    intact = played(30, 40)
    elsewhere = intact._replace(success=np.arange(40) >= 15)
    assert score(elsewhere, True, intact).difference == pytest.approx(-5 / 40)
    assert score(elsewhere, True, intact).difference_high > 0
    assert (score(elsewhere, True, intact).lost, score(elsewhere, True, intact).gained) == (15, 10)
    assert (scored(30).difference, scored(30).changed) == (None, None)
    acting = intact._replace(acted=np.where(np.arange(40) < 7, 99, intact.acted))
    assert (score(acting, True, intact).changed, score(acting, True, intact).acted_otherwise) == (0, 7)
    # Returns, too: each is lower by nearly the same.
    lower = intact._replace(episode_return=intact.episode_return - np.linspace(0.1, 0.12, 40))
    found = score(lower, False, intact)
    assert found.difference == pytest.approx(-0.11)
    assert found.difference_low == pytest.approx(-0.112, abs=0.001)
    assert found.difference_high == pytest.approx(-0.108, abs=0.001)
    assert (found.lost, found.gained) == (40, 0)
    # What differs by rounding only is the same.
    rounded = intact._replace(episode_return=intact.episode_return * (1 + 1e-12))
    assert score(rounded, False, intact).changed == 0
    # Episodes that began otherwise are not the same, and nothing is compared.
    cut = played(30, 39)._replace(cut=1)
    assert (score(cut, True, intact).cut, score(cut, True, intact).changed) == (1, None)
    others = intact._replace(first_seen=np.append(intact.first_seen[:-1], 99))
    assert (score(others, True, intact).difference, score(others, True, intact).changed) == (None, None)
    one = played(1, 1)
    assert score(one, False, one).difference is None


def test_episodes_that_went_the_same_way_count_once() -> None:
    # Six episodes, of which the first was played 8 times, the others 3, 2, 1, 1 and 1 times.
    which = np.repeat(range(6), [8, 3, 2, 1, 1, 1])
    intact = played(16, 16)._replace(layout=which.astype(str), seen=which, acted=which, episode_return=which * 1.0)
    assert score(played(16, 16), True).independent == 16
    assert score(intact, True).independent == round(16**2 / (64 + 9 + 4 + 1 + 1 + 1)) == 3
    wiped = intact._replace(success=which < 1, episode_return=np.linspace(2, 3, 16))
    found = score(wiped, True, intact)
    # What counts as a repeat is how the agent that was left alone went on.
    assert (found.independent, found.lost, found.changed_independent) == (3, 8, 8**2 / (9 + 4 + 1 + 1 + 1))
    # It went on otherwise if only one thing differs.
    for one in ("seen", "acted", "layout"):
        others = np.arange(16) if one != "layout" else np.arange(16).astype(str)
        assert score(intact._replace(**{one: others}), True).independent == 16


def printed(found: EvaluationResult) -> str:
    text = io.StringIO()
    print_result(found, Console(file=text, width=80))
    return text.getvalue()


def test_where_success_is_not_told_the_table_has_returns_with_their_intervals() -> None:
    whole = result_of(39, 5)
    whole.scores = {condition: score(played(0, 40), knows_success=False) for condition in whole.scores}
    intact = whole.scores[Condition()]
    shown = printed(whole)
    assert "return (95 % int.)" in shown
    assert "success" not in shown
    assert f"0.500 ({intact.return_low:.3f}-{intact.return_high:.3f})" in shown


@pytest.mark.parametrize(
    ("memory", "controller", "wiped"),
    [
        ("episodic", "lstm", ["nothing", "memory", "controller", "both", "nothing", "memory"]),
        ("episodic", "feedforward", ["nothing", "memory", "nothing", "memory"]),
        ("none", "lstm", ["nothing", "controller", "nothing"]),
    ],
)
def test_the_table_has_no_row_for_a_memory_or_a_state_that_is_not_there(
    memory: str, controller: str, wiped: list[str]
) -> None:
    whole = result_of(39, 39, memory, controller=controller)
    for condition in (
        Condition(intervention="controller_wiped"),
        Condition(intervention="both_wiped"),
        Condition("size 13"),
        Condition("size 13", "wiped"),
    ):
        whole.scores[condition] = scored(39)
    rows = [line.split() for line in printed(whole).splitlines() if "greedy" in line]
    assert [row[row.index("greedy") - 1] for row in rows] == wiped


@pytest.mark.parametrize(
    ("layouts", "said"),
    [
        ((1,) * 10, "Distinct layouts met: 10, each in 1 episode.\n"),
        ((2, 2, 2), "Distinct layouts met: 3, each in 2 episodes; the intervals are of chance in the play, not over"),
        ((1, 2, 2), "Distinct layouts met: 3, each in 1 to 2 episodes; the intervals are of chance"),
        ((5,), "Distinct layouts met: 1, 5 episodes; the intervals are of chance"),
        ((3,) * 20, None),
        ((), None),
    ],
)
def test_only_layouts_that_repeat_are_all_that_there_are(layouts: tuple[int, ...], said: str | None) -> None:
    whole = result_of(39, 5)
    keys = [f"layout {number}" for number, times in enumerate(layouts) for _ in range(times)] or [""]
    episodes = played(len(keys), len(keys))._replace(layout=np.array(keys, dtype=object))
    whole.scores[Condition()] = score(episodes, knows_success=True)
    shown = printed(whole)
    assert "Distinct" not in shown if said is None else said in shown


def test_the_table_for_other_programs_has_a_row_for_each_condition() -> None:
    whole = result_of(39, 5)
    whole.scores[Condition("size 13", "wiped", deterministic=False)] = score(
        played(3, 7, again=(0, 2, 5), cue_known=True), knows_success=True
    )
    rows = list(csv.DictReader(io.StringIO(whole.as_csv())))
    assert [(row["setting"], row["intervention"], row["deterministic"]) for row in rows] == [
        ("as trained", "intact", "True"),
        ("as trained", "wiped", "True"),
        ("size 13", "wiped", "False"),
    ]
    assert [float(row["success"]) for row in rows] == pytest.approx([39 / 40, 5 / 40, 3 / 7])
    assert [row["looked_again"] for row in rows] == ["", "", "3"]


def test_table_fits_a_narrow_terminal_and_says_everything() -> None:
    whole = result_of(39, 5, chance=0.5)
    whole.scores[Condition("MemoryS17Random", "wiped")] = scored(20)
    whole.scores[Condition(intervention="frozen_after_cue")] = scored(31)
    shown = printed(whole)
    for words in (
        "97.5 %",
        "12.5 %",
        "over episodes of this agent",
        "MemoryS17Random",
        "greedy",
        "This agent does worse",
    ):
        assert words in shown
    assert "…" not in shown
    assert "77.5 %" not in shown  # that stands in the certificate
