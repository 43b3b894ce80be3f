"""The horizons of several agents as one figure, one table and one file, the seeds of an agent together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from configs import CannotRun
from evidence.comparison_table import as_table
from evidence.groups import agents
from evidence.horizon import HorizonJson, Length
from evidence.horizon_figure import draw_horizon
from evidence.horizon_table import LENGTH, horizon_rows
from evidence.recorded_run import RecordedRun, read_horizon
from evidence.statistics import interquartile_mean, stratified_interval
from tracking.atomic import write_json


def compare_horizons(runs: Sequence[RecordedRun]) -> dict[str, HorizonJson]:
    """Return a curve for each agent, label -> curve; runs of the same configuration up to the seed are one agent.

    Args:
        runs: of one task.

    Raises:
        CannotRun: if a run has no horizon curve, or the seeds of an agent have no delay in common.
    """
    return {label: _curve(label, group) for label, group in agents(runs).items()}


def _curve(label: str, runs: Sequence[RecordedRun]) -> HorizonJson:
    curves = []
    for run in runs:
        curve = read_horizon(run)
        if curve is None:
            raise CannotRun(f"{run.path}: there is no horizon.json; make it with: {run.evaluate_command} --horizon")
        curves.append(curve)
    pooled = over_seeds(curves)
    if not pooled["points"]:
        raise CannotRun(f"{label}: its seeds have no delay in common; name delays after --horizon")
    return {**pooled, "seeds": [run.seed for run in runs], "runs": [str(run.path) for run in runs]}


def over_seeds(curves: Sequence[HorizonJson]) -> HorizonJson:
    """Sum up the curves of several seeds, at the delays that all of them have.

    Args:
        curves: contents of `horizon.json`, at least one, over the same thing.

    Returns:
        a mapping of the same form; success is the interquartile mean of the seeds with the interval of a stratified
        bootstrap, the effective length that of this curve. A single curve is returned as it is.
    """
    first = curves[0]
    if len(curves) == 1:
        return first
    by = first["by"]
    seeds = [{point[by]: point for point in curve["points"]} for curve in curves]
    shared = sorted(set.intersection(*(set(points) for points in seeds)))
    points = [_point_over_seeds([points[delay] for points in seeds], by) for delay in shared]
    steps, low, high = Length.of(points, by, first.get("chance"))
    return {
        **{key: first.get(key) for key in ("by", "trained", "chance", "oracle")},
        "points": points,
        "effective_length": steps,
        "effective_low": low,
        "effective_high": high,
    }


def print_horizons(curves: Mapping[str, HorizonJson], task: str, console: Console) -> None:
    """Print the effective memory length of every agent."""
    console.print(as_table(horizon_rows(curves), f"{task}: horizon"))
    console.print(LENGTH, highlight=False, markup=False, soft_wrap=True)


def write_horizons(
    curves: Mapping[str, HorizonJson], path: Path, *, colours: Mapping[str, str] | None = None
) -> tuple[Path, Path, Path]:
    """Write curves as JSON, and draw them as PNG and SVG.

    Args:
        curves: label -> curve.
        path: without a suffix; its folder is made if it is not there.
        colours: see `draw_horizon`.

    Returns:
        the JSON file, the PNG file and the SVG file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.with_name(f"{path.name}.json")
    write_json(content, {"about": LENGTH, "agents": dict(curves)})
    return content, *draw_horizon(curves, path, colours=colours)


def _point_over_seeds(points: Sequence[Mapping[str, Any]], by: str) -> dict[str, Any]:
    wiped = [point["wiped"] for point in points if point.get("wiped") is not None]
    return {
        by: points[0][by],
        "episodes": sum(point["episodes"] for point in points),
        **_rate("success", [point["success"] for point in points]),
        **_rate("wiped", wiped),
    }


def _rate(name: str, values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = stratified_interval([[value] for value in values])
    return {name: interquartile_mean(values), f"{name}_low": low, f"{name}_high": high}
