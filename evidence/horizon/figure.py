"""The horizon curve as a figure: success against the delay over which something had to be remembered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engram.evidence.horizon.curve import HorizonFile
from engram.evidence.plotting import colors_of, save_figure


def draw_horizon(
    curves: Mapping[str, HorizonFile], path: Path, *, colors: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Draw success against delay, one line for each label, with its interval or the single seeds.

    The delays of the training are shaded; dashed lines are the same agents with their memory wiped. Path and returned
    files are those of `evidence.plotting.save_figure`; colors are by default in alphabetical order of the labels.
    """
    colors = colors or colors_of(curves)
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    shortest = min((p.delay for curve in curves.values() for p in curve.points if p.delay > 0), default=1)
    for low, high in sorted({curve.trained for curve in curves.values() if curve.trained}):
        begin = max(low, shortest)  # the axis has no zero
        if high >= begin:
            # A single delay is a line of some width.
            axes.axvspan(begin / 1.04, high * 1.04, color="grey", alpha=0.15, linewidth=0)
            axes.annotate(" trained", (begin, 0.02), color="dimgrey", fontsize=8)
    _levels(axes, [curve.oracle for curve in curves.values()], "oracle", "-.")
    _levels(axes, [curve.chance for curve in curves.values()], "chance", ":")
    # The first is the widest, so that those which are drawn over are seen.
    for width, (label, curve) in zip(np.linspace(5, 2, len(curves)), sorted(curves.items()), strict=True):
        _line(axes, label, curve, colors[label], float(width))
    if any(point.wiped is not None for curve in curves.values() for point in curve.points):
        axes.plot([], [], "--", color="black", linewidth=1, label="memory wiped")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="delay (steps)", ylabel="success", ylim=(-0.03, 1.05))
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, frameon=False, loc="outside right upper", labelspacing=0.9)
    return save_figure(figure, path)


def _line(axes: Axes, label: str, curve: HorizonFile, color: str, width: float) -> None:
    points = sorted((p for p in curve.points if p.delay > 0 and p.success is not None), key=lambda p: p.delay)
    delays, success = [p.delay for p in points], [float(p.success or 0) for p in points]
    label += "" if curve.chance is None else f"\neffective length {curve.shown_length()[0]}"
    axes.plot(delays, success, "o-", color=color, linewidth=width, markersize=2 + width, label=label)
    if curve.tells_interval:
        low, high = [float(p.success_low or 0) for p in points], [float(p.success_high or 0) for p in points]
        axes.fill_between(delays, low, high, color=color, alpha=0.18, lw=0)
    else:
        single = [(p.delay, rate) for p in points for rate in p.success_by_seed or ()]
        axes.plot([d for d, _ in single], [rate for _, rate in single], "_", color=color, alpha=0.6)
    wiped = [(p.delay, p.wiped) for p in points if p.wiped is not None]
    axes.plot([d for d, _ in wiped], [rate for _, rate in wiped], "--", color=color, linewidth=1, alpha=0.8)


def _levels(axes: Axes, values: Sequence[float | None], name: str, style: str) -> None:
    for number, value in enumerate(sorted({value for value in values if value is not None})):
        axes.axhline(value, color="grey", linestyle=style, linewidth=1, label=name if number == 0 else None)
