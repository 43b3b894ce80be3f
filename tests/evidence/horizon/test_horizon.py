"""The delay that a memory bridges."""

from __future__ import annotations

import json
import math

import pytest

from engram.evidence.evaluation.scores import Score
from engram.evidence.horizon.curve import Horizon, Point, default_delays, falls_below


def scored(success: float, low: float, high: float) -> Score:
    return Score(100, success, low, high, success, 9.0, 3)


def test_it_is_interpolated_on_a_logarithmic_axis() -> None:
    # Half-way down between 10 and 1000 is 100.
    assert falls_below([10, 1000, 5000], [1.0, 0.5, 0.5], 0.75) == 100
    assert falls_below([10, 1000], [0.9, 0.8], 0.75) is None
    assert falls_below([10, 1000], [0.7, 0.9], 0.75) == 0


def test_the_first_fall_counts() -> None:
    assert falls_below([1, 10, 100, 1000], [1.0, 0.5, 1.0, 0.5], 0.75) == round(math.sqrt(10))


def test_the_interval_is_that_of_the_curves_ends() -> None:
    points = [
        Point.of(10, scored(1.0, 0.95, 1.0)),
        Point.of(100, scored(0.75, 0.65, 0.85)),
        Point.of(1000, scored(0.5, 0.4, 0.6)),
    ]
    steps, low, high = Horizon(points, (5, 10), 0.5, {}).length
    assert steps == 100
    assert low is not None
    assert high is not None
    assert 10 < low < 100 < high < 1000
    # (0.85 - 0.75) / (0.85 - 0.6) of a decade beyond 100.
    assert high == pytest.approx(100 * 10**0.4, abs=1)


def test_what_fails_at_delays_shorter_than_the_training_does_not_forget() -> None:
    points = [
        Point.of(5, scored(0.5, 0.4, 0.6)),
        Point.of(10, scored(1.0, 0.95, 1.0)),
        Point.of(1000, scored(0.5, 0.4, 0.6)),
    ]
    assert Horizon(points, (10, 20), 0.5, {}).length.steps == 100
    assert Horizon(points, (5, 20), 0.5, {}).length.steps == 0
    assert Horizon(points[:1], (10, 20), 0.5, {}).length.steps == 0  # nothing else was played


def test_without_chance_the_middle_is_a_half() -> None:
    points = [Point.of(10, scored(0.7, 0.6, 0.8)), Point.of(100, scored(0.6, 0.55, 0.7))]
    assert Horizon(points, (5, 10), None, {}).length.steps is None
    assert Horizon(points, (5, 10), 0.5, {}).length.steps == 0


def test_delays_reach_from_below_the_training_to_far_beyond() -> None:
    delays = default_delays((15, 25))
    assert delays == sorted(set(delays))
    assert (delays[0], delays[-1]) == (3, 10_000)
    assert {15, 25} <= set(delays)
    assert default_delays((1, 2))[0] == 1


def test_a_point_comes_back_from_its_file() -> None:
    point = Point.of(10, scored(0.7, 0.6, 0.8), scored(0.5, 0.4, 0.6))
    (written,) = Horizon([point], (5, 10), 0.5, {}).as_json()["points"]
    assert Point.from_json(json.loads(json.dumps(written))) == point
    assert point.wiped_episodes == 100
    assert (point.wiped_low, point.wiped, point.wiped_high) == (0.4, 0.5, 0.6)


def test_a_curve_names_every_command_that_it_was_measured_with() -> None:
    measured = {30: "python b", 10: "python a", 100: "python b"}
    points = [Point.of(delay, scored(0.7, 0.6, 0.8))._replace(command=measured[delay]) for delay in sorted(measured)]
    assert Horizon(points, (5, 10), 0.5, {"command": "python b"}).as_json()["command"] == "python a && python b"
    assert Horizon([], (5, 10), 0.5, {"command": "python b"}).as_json()["command"] == "python b"
