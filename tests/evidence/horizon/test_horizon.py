"""The delay that a memory bridges."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from engram.evidence.horizon.curve import HorizonFile, HorizonPoint, falls_below
from engram.evidence.horizon.measure import default_delays, point_of, print_horizon
from engram.evidence.runs.files import Score


def scored(success: float, low: float, high: float) -> Score:
    rates = {"success": success, "success_low": low, "success_high": high, "mean_return": success}
    return Score(episodes=100, mean_length=9.0, distinct_layouts=3, **rates)


def of(delay: int, intact: Score, wiped: Score | None = None, **made: str) -> HorizonPoint:
    return point_of(delay, {"intact": intact, **({"wiped": wiped} if wiped else {})}, made)


def curve(points: list[HorizonPoint], trained: tuple[int, int], chance: float | None) -> HorizonFile:
    return HorizonFile(by="delay", trained=trained, chance=chance, points=points).with_length()


def test_it_is_interpolated_on_a_logarithmic_axis() -> None:
    # Half-way down between 10 and 1000 is 100.
    assert falls_below([10, 1000, 5000], [1.0, 0.5, 0.5], 0.75) == 100
    assert falls_below([10, 1000], [0.9, 0.8], 0.75) is None
    assert falls_below([10, 1000], [0.7, 0.9], 0.75) == 0


def test_the_first_fall_counts() -> None:
    assert falls_below([1, 10, 100, 1000], [1.0, 0.5, 1.0, 0.5], 0.75) == round(math.sqrt(10))


def test_the_interval_is_that_of_the_curves_ends() -> None:
    points = [
        of(10, scored(1.0, 0.95, 1.0)),
        of(100, scored(0.75, 0.65, 0.85)),
        of(1000, scored(0.5, 0.4, 0.6)),
    ]
    found = curve(points, (5, 10), 0.5)
    steps, low, high = found.effective_length, found.effective_low, found.effective_high
    assert steps == 100
    assert low is not None
    assert high is not None
    assert 10 < low < 100 < high < 1000
    # (0.85 - 0.75) / (0.85 - 0.6) of a decade beyond 100.
    assert high == pytest.approx(100 * 10**0.4, abs=1)


def test_what_fails_at_delays_shorter_than_the_training_does_not_forget() -> None:
    points = [
        of(5, scored(0.5, 0.4, 0.6)),
        of(10, scored(1.0, 0.95, 1.0)),
        of(1000, scored(0.5, 0.4, 0.6)),
    ]
    assert curve(points, (10, 20), 0.5).effective_length == 100
    assert curve(points, (5, 20), 0.5).effective_length == 0
    assert curve(points[:1], (10, 20), 0.5).effective_length == 0  # nothing else was played


def test_without_chance_there_is_no_length() -> None:
    points = [of(10, scored(0.7, 0.6, 0.8)), of(100, scored(0.4, 0.3, 0.5))]
    assert curve(points, (5, 10), 0.2).effective_length == 22  # a third of a decade beyond 10
    found = curve(points, (5, 10), None)
    assert (found.effective_length, found.effective_low, found.effective_high) == (None, None, None)
    assert found.shown_length() == ("-", "-")


def test_delays_reach_from_below_the_training_to_far_beyond() -> None:
    delays = default_delays((14, 25))
    assert delays == sorted(set(delays))
    assert (delays[0], delays[-1]) == (3, 10_000)
    assert {14, 25} <= set(delays)
    assert default_delays((1, 2))[0] == 1


def test_a_curve_comes_back_from_its_file() -> None:
    point = of(10, scored(0.7, 0.6, 0.8), scored(0.5, 0.4, 0.6), command="python a")
    found = curve([point], (5, 10), 0.5)
    assert HorizonFile.model_validate_json(json.dumps(found.model_dump(exclude_unset=True))) == found
    assert (point.episodes, point.wiped_episodes) == (100, 100)
    assert (point.wiped_low, point.wiped, point.wiped_high) == (0.4, 0.5, 0.6)
    assert of(10, scored(0.7, 0.6, 0.8)).wiped is None


def printed(horizon: HorizonFile) -> list[str]:
    text = io.StringIO()
    print_horizon(horizon, Console(file=text, width=100))
    return text.getvalue().splitlines()


def test_the_curve_is_printed_with_its_effective_length() -> None:
    points = [of(5, scored(1.0, 0.95, 1.0), scored(0.5, 0.4, 0.6)), of(1000, scored(0.5, 0.4, 0.6))]
    lines = printed(curve(points, (5, 20), 0.5))
    assert "horizon (trained on delays of 5 to 20)" in lines[0]
    (short,), (long,) = ([line for line in lines if line.strip().startswith(start)] for start in ("5 ", "1,000 "))
    assert short.index("5") == long.index("1,000") + 4
    assert short.split() == ["5", "100.0", "%", "(95.0-100.0)", "50.0", "%", "(40.0-60.0)"]
    assert lines[-1].startswith("Effective memory length: 71 steps (95 % interval over episodes: ")
    # What is known of chance and of the wiped memory is said only where it matters.
    strong = [of(5, scored(1.0, 0.95, 1.0), scored(0.9, 0.8, 1.0))]
    assert any(line.startswith("With its memory wiped") for line in printed(curve(strong, (5, 20), 0.5)))
    assert not any("chance level" in line or "With its memory" in line for line in lines)
    without = printed(curve(strong, (5, 20), None))
    assert without[-1].startswith("Without a chance level")
    assert not any("Effective memory length" in line for line in without)
