"""The horizon curve as a figure: success against the delay over which something had to be remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median_low
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evidence.figures import colours_of, save_figure
from evidence.statistics import interquartile_mean, stratified_interval

HorizonJson = Mapping[str, Any]
"""The content of a `horizon.json`."""


def draw_horizon(
    curves: Mapping[str, HorizonJson], path: Path, *, colours: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Draw success against delay, one line and its interval for each label.

    The delays of the training are shaded; dashed lines are the same agents with their memory wiped.

    Args:
        curves: label -> content of a `horizon.json`, or of `over_seeds`.
        path: see `evidence.figures.save_figure`.
        colours: of the labels; by default in alphabetical order.

    Returns:
        the PNG file and the SVG file.

    Raises:
        ValueError: if there are no curves, or they are not over the same thing.
    """
    over = sorted({str(curve["by"]) for curve in curves.values()})
    if len(over) != 1:
        raise ValueError(f"horizon curves of one figure are over one thing, not over {', '.join(over) or 'nothing'}")
    (by,) = over
    colours = colours or colours_of(curves)
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    shortest = min((p[by] for curve in curves.values() for p in curve["points"] if p[by] > 0), default=1)
    for low, high in sorted({tuple(curve["trained"]) for curve in curves.values() if curve.get("trained")}):
        begin = max(low, shortest)  # the axis has no zero
        if high >= begin:
            # A single delay is a line of some width.
            axes.axvspan(begin / 1.04, high * 1.04, color="grey", alpha=0.15, linewidth=0)
            axes.annotate(" trained", (begin, 0.02), color="dimgrey", fontsize=8)
    _levels(axes, [curve.get("oracle") for curve in curves.values()], "oracle", "-.")
    _levels(axes, [curve.get("chance") for curve in curves.values()], "chance", ":")
    for label, curve in sorted(curves.items()):
        _line(axes, label, curve, by, colours[label])
    if any(point.get("wiped") is not None for curve in curves.values() for point in curve["points"]):
        axes.plot([], [], "--", color="black", linewidth=1, label="memory wiped")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel=f"{by} (steps)" if by == "delay" else by, ylabel="success", ylim=(-0.03, 1.05))
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, frameon=False, loc="outside right upper", labelspacing=0.9)
    return save_figure(figure, path)


def over_seeds(curves: Sequence[HorizonJson]) -> HorizonJson:
    """Sum up the curves of several seeds, at the delays that all of them have.

    Args:
        curves: contents of `horizon.json`, at least one.

    Returns:
        a mapping of the same form; success is the interquartile mean of the seeds with the interval of a stratified
        bootstrap, the effective length the lower median, None where it is beyond the delays that were played. A single
        curve is returned as it is.
    """
    first = curves[0]
    if len(curves) == 1:
        return first
    by = first["by"]
    seeds = [{point[by]: point for point in curve["points"]} for curve in curves]
    shared = sorted(set.intersection(*(set(points) for points in seeds)))
    # Beyond what was played is longer than any that was.
    lengths = [curve.get("effective_length") for curve in curves]
    middle = median_low([float("inf") if length is None else length for length in lengths])
    return {
        **{key: first.get(key) for key in ("by", "trained", "chance", "oracle")},
        "points": [_point_over_seeds([points[delay] for points in seeds], by) for delay in shared],
        "effective_length": None if middle == float("inf") else middle,
    }


def _point_over_seeds(points: Sequence[Mapping[str, Any]], by: str) -> dict[str, Any]:
    success = [point["success"] for point in points]
    wiped = [point["wiped"] for point in points if point.get("wiped") is not None]
    low, high = stratified_interval([[value] for value in success])
    return {
        by: points[0][by],
        "episodes": sum(point["episodes"] for point in points),
        "success": interquartile_mean(success),
        "success_low": low,
        "success_high": high,
        "wiped": interquartile_mean(wiped) if wiped else None,
    }


def _line(axes: Axes, label: str, curve: HorizonJson, by: str, colour: str) -> None:
    points = sorted((p for p in curve["points"] if p[by] > 0 and p["success"] is not None), key=lambda p: p[by])
    delays, success = [p[by] for p in points], [p["success"] for p in points]
    length = curve.get("effective_length")
    beyond = f"over {max(delays, default=0):,}" if length is None else f"{length:,}"
    axes.plot(
        delays, success, "o-", color=colour, linewidth=2, markersize=4, label=f"{label}\neffective length {beyond}"
    )
    axes.fill_between(
        delays, [p["success_low"] for p in points], [p["success_high"] for p in points], color=colour, alpha=0.18, lw=0
    )
    wiped = [p for p in points if p.get("wiped") is not None]
    axes.plot([p[by] for p in wiped], [p["wiped"] for p in wiped], "--", color=colour, linewidth=1, alpha=0.8)


def _levels(axes: Axes, values: Sequence[float | None], name: str, style: str) -> None:
    for number, value in enumerate(sorted({value for value in values if value is not None})):
        axes.axhline(value, color="grey", linestyle=style, linewidth=1, label=name if number == 0 else None)
