"""Learning curves: metrics over environment steps, one color for one agent, with an interval over its seeds."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from engram.evidence.plotting import colors_of
from engram.evidence.runs.recorded_run import STEPS
from engram.evidence.statistics import LEAST_SEEDS, Metric, interval_over_seeds

POINTS = 200
Array = NDArray[np.float64]
Curve = tuple[Array, Array]
"""Steps and values."""


def read_curve(run: Path, metric: str) -> Curve:
    """Return steps and values of a metric in a run's `metrics.csv`.

    Raises:
        ValueError: if the run has no such file or metric.
    """
    path = run / "metrics.csv"
    if not path.is_file():
        raise ValueError(f"{run}: there is no metrics.csv; name folders of runs")
    with path.open(newline="", encoding="utf-8") as file:  # what was not recorded in a row is empty
        rows = [(float(r[STEPS]), float(r[metric])) for r in csv.DictReader(file) if r.get(metric) and r.get(STEPS)]
    if not rows:
        raise ValueError(f"{path}: there is no metric '{metric}'")
    steps, values = zip(*rows, strict=True)
    return np.array(steps), np.array(values)


def smoothed(values: Array, width: int) -> Array:
    """Return the running mean over the last `width` values."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(ends - width, 0)
    means: Array = (sums[ends] - sums[begins]) / (ends - begins)
    return means


def shared_points(curves: Sequence[Curve]) -> Curve:
    """Return the steps that all of some curves have, [points], and the curves' values at these, [curves, points]."""
    begin, end = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    shared = np.linspace(min(begin, end), end, POINTS)
    return shared, np.array([np.interp(shared, steps, values) for steps, values in curves])


def draw_curves(
    groups: Mapping[str, Sequence[Curve]],
    *,
    metric: Metric,
    ylabel: str,
    title: str = "",
    chance: float | None = None,
    width: int = 1,
    colors: Mapping[str, str] | None = None,
) -> Figure:
    """Draw curves: a thin line for each seed, a thick one for the mean of each group, with its interval over seeds.

    Args:
        groups: label -> the curves of its seeds.
        metric: whether they are of success, or of numbers without a limit.
        ylabel, title: of the figure.
        chance: where to draw a dotted line; None draws none.
        width: values to average over before anything else.
        colors: of the labels; by default in alphabetical order.
    """
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    colors = colors or colors_of(groups)
    for label, curves in sorted(groups.items()):
        smooth = [(steps, smoothed(values, width)) for steps, values in curves]
        for steps, values in smooth:
            axes.plot(steps / 1e6, values, color=colors[label], alpha=0.35, linewidth=0.8)
        steps, values = shared_points(smooth)
        name = f"{label} ({len(curves)})"
        axes.plot(steps / 1e6, values.mean(axis=0), color=colors[label], linewidth=2.2, label=name)
        if len(curves) >= LEAST_SEEDS:
            low, high = interval_over_seeds(values, metric)
            axes.fill_between(steps / 1e6, low, high, color=colors[label], alpha=0.18, linewidth=0)
    if chance is not None:
        axes.axhline(chance, color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="million environment steps", ylabel=ylabel, title=title)
    axes.grid(alpha=0.25)
    if len(groups) > 4:  # so many names would hide the curves
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    else:
        axes.legend(fontsize=8, frameon=False)
    return figure
