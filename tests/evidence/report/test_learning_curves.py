"""Learning curves over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_runs import add_metrics, fake_run

from engram.evidence.report.learning_curves import band, draw_curves, read_curve, smoothed


def test_a_metric_is_read_where_it_was_recorded(tmp_path: Path) -> None:
    run = fake_run(tmp_path)
    add_metrics(run, lambda step: step / 1000)
    steps, values = read_curve(run, "eval/success_rate")
    assert (list(steps), list(values)) == ([500.0, 1000.0], [0.5, 1.0])
    with pytest.raises(ValueError, match="there is no metric 'nonsense'"):
        read_curve(run, "nonsense")


def test_smoothing_looks_back_only() -> None:
    assert smoothed(np.array([2.0, 4.0, 9.0, 5.0]), 2).tolist() == [2.0, 3.0, 6.5, 7.0]


def test_band_is_the_interquartile_mean_of_what_all_seeds_have() -> None:
    def curve(level: float, end: int) -> tuple[np.ndarray, np.ndarray]:
        steps = np.arange(10.0, end, 10.0)
        return steps, level + 0 * steps

    found = band([curve(level, end) for level, end in ((0.1, 101), (0.2, 71), (0.6, 131), (0.7, 91), (0.9, 111))])
    assert (found.steps[0], found.steps[-1]) == (10.0, 70.0)
    assert found.middle == pytest.approx(0.5)  # without the best and the worst of five
    assert (found.low < 0.4).all()
    assert (found.high > 0.6).all()
    # Whole curves are resampled, so that flat curves have flat intervals.
    assert np.ptp(found.low) == pytest.approx(0.0)


def test_band_of_one_seed_is_its_curve() -> None:
    found = band([(np.array([0.0, 1.0]), np.array([0.0, 1.0]))])
    assert np.array_equal(found.low, found.middle)
    assert np.array_equal(found.high, found.steps)


def test_figure_has_a_line_for_each_seed_and_one_for_each_agent() -> None:
    steps = np.array([1e6, 2e6, 3e6])
    groups = {"b": [(steps, steps / 3e6)] * 2, "a": [(steps, steps / 4e6)]}
    (axes,) = draw_curves(groups, ylabel="success", chance=0.5, colors={"a": "red", "b": "blue"}).axes
    labels = [line.get_label() for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert labels == ["a (1)", "b (2)"]
    assert len(axes.lines) == 3 + 2 + 1  # seeds, agents, chance
    assert len(axes.collections) == 2  # intervals
