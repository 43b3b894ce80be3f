"""Learning curves over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_runs import add_metrics, fake_run

from engram.evidence.report.learning_curves import draw_curves, read_curve, shared_points, smoothed
from engram.evidence.statistics import interval_over_seeds


def test_a_metric_is_read_where_it_was_recorded(tmp_path: Path) -> None:
    run = fake_run(tmp_path)
    add_metrics(run, lambda step: step / 1000)
    steps, values = read_curve(run, "eval/success_rate")
    assert (list(steps), list(values)) == ([500.0, 1000.0], [0.5, 1.0])
    with pytest.raises(ValueError, match="there is no metric 'nonsense'"):
        read_curve(run, "nonsense")


def test_smoothing_looks_back_only() -> None:
    assert smoothed(np.array([2.0, 4.0, 9.0, 5.0]), 2).tolist() == [2.0, 3.0, 6.5, 7.0]


def test_curves_are_compared_where_all_seeds_have_them() -> None:
    def curve(level: float, end: int) -> tuple[np.ndarray, np.ndarray]:
        steps = np.arange(10.0, end, 10.0)
        return steps, level + steps

    steps, values = shared_points([curve(level, end) for level, end in ((0.1, 101), (0.2, 71), (0.6, 131))])
    assert (steps[0], steps[-1]) == (10.0, 70.0)
    assert np.allclose(values, np.array([[0.1], [0.2], [0.6]]) + steps)
    steps, values = shared_points([(np.array([0.0, 1.0]), np.array([0.0, 1.0]))])
    assert np.array_equal(values[0], steps)


def test_five_seeds_have_an_interval_around_their_mean_and_four_have_none() -> None:
    steps = np.array([1e6, 2e6])
    levels = (0.1, 0.2, 0.6, 0.7, 0.9)
    curves = [(steps, np.full(2, level)) for level in levels]
    (axes,) = draw_curves({"a": curves[:4]}, metric="success", ylabel="success").axes
    assert not axes.collections
    assert list(axes.lines[4].get_ydata()[:1]) == [pytest.approx(0.4)]
    (axes,) = draw_curves({"a": curves}, metric="success", ylabel="success").axes
    (shade,) = axes.collections
    low, high = interval_over_seeds(levels, "success")
    assert set(np.round(shade.get_paths()[0].vertices[:, 1], 6)) == {round(float(low), 6), round(float(high), 6)}


def test_figure_has_a_line_for_each_seed_and_one_for_each_agent() -> None:
    steps = np.array([1e6, 2e6, 3e6])
    groups = {"b": [(steps, steps / 3e6)] * 2, "a": [(steps, steps / 4e6)]}
    (axes,) = draw_curves(groups, metric="success", ylabel="success", chance=0.5, colors={"a": "red", "b": "blue"}).axes
    labels = [line.get_label() for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert labels == ["a (1)", "b (2)"]
    assert len(axes.lines) == 3 + 2 + 1  # seeds, agents, chance
    assert axes.get_ylabel() == "success"
