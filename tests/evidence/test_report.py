"""Scores, their file, their table and the sentence that sums them up."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from agents.evaluation import Episodes
from tracking import Condition, Report, print_report, verdict
from tracking.report import Score, score


def played(successes: int, n: int) -> Episodes:
    layouts = np.array([f"layout {i % 3}" for i in range(n)], dtype=object)
    return Episodes(np.arange(n) < successes, np.linspace(0, 1, n), np.arange(n) + 2, layouts)


def scored(successes: int, n: int = 40) -> Score:
    return score(played(successes, n), knows_success=True)


def report(intact: int, wiped: int, memory: str = "episodic", chance: float | None = None) -> Report:
    about = {"env": "Maze-v0", "memory": memory, "chance": chance}
    return Report(about, {Condition(): scored(intact), Condition(intervention="wiped"): scored(wiped)})


def test_score_sums_up_episodes() -> None:
    result = score(played(3, 5), knows_success=True)
    assert (result.episodes, result.success, result.mean_return, result.mean_length) == (5, 0.6, 0.5, 4.0)
    # Wilson (1927) for 3 of 5.
    assert (result.success_low, result.success_high) == pytest.approx((0.2307, 0.8824), abs=1e-4)
    assert result.distinct_layouts == 3


def test_unknown_success_is_not_zero() -> None:
    result = score(played(0, 5), knows_success=False)
    assert (result.success, result.success_low, result.success_high) == (None, None, None)


def test_verdict_needs_intervals_apart() -> None:
    assert verdict(report(39, 5)) == "The memory was needed: 97.5% intact, 12.5% wiped."
    assert "not shown" in verdict(report(24, 20))
    assert "not shown" in verdict(report(5, 39))
    assert verdict(report(39, 5, chance=0.5)) == "The memory was needed: 97.5% intact, 12.5% wiped, chance is 50.0%."
    assert verdict(report(39, 20, chance=0.5)).startswith("The memory was needed: ")  # chance it is
    assert verdict(report(40, 30, chance=0.5)).startswith("The memory was needed in part: ")
    assert "Without a memory" in verdict(report(24, 24, memory="none"))


def test_file_has_its_documented_keys() -> None:
    whole = report(39, 5)
    whole.scores[Condition(deterministic=False)] = scored(30)
    whole.scores[Condition("size 13")] = scored(20)
    whole.scores[Condition("size 13", "wiped")] = scored(10)
    content = json.loads(json.dumps(whole.as_json()))
    assert content["success"] == content["intact"]["success"] == 0.975
    assert content["wiped"]["success"] == 0.125
    assert content["sampled"]["intact"]["success"] == 0.75
    assert content["harder"]["size 13"]["intact"]["success"] == 0.5
    assert content["harder"]["size 13"]["wiped"]["success"] == 0.25
    assert content["env"] == "Maze-v0"


def test_table_fits_a_narrow_terminal_and_says_everything() -> None:
    whole = report(39, 5)
    whole.scores[Condition("MemoryS17Random", "wiped")] = scored(20)
    text = io.StringIO()
    print_report(whole, Console(file=text, width=80))
    shown = text.getvalue()
    for words in ("97.5%", "12.5%", "MemoryS17Random", "greedy", "The memory was needed"):
        assert words in shown
    assert "…" not in shown
