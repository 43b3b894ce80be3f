"""The horizons of several agents as one figure, one table and one file, the seeds of an agent together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from engram.configs import CannotRun
from engram.evidence.horizon.curve import WIPED_EPISODES, EffectiveLength, HorizonJson
from engram.evidence.horizon.figure import draw_horizon
from engram.evidence.horizon.table import LENGTH, horizon_rows
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.groups import agents
from engram.evidence.runs.recorded_run import RecordedRun, read_horizon
from engram.evidence.statistics import interquartile_mean, success_interval
from engram.evidence.tables import as_table
from engram.tracking.atomic import write_json


class Horizons(NamedTuple):
    """Curves side by side."""

    curves: Mapping[str, HorizonJson]
    """By the label of the agent."""
    caveats: tuple[str, ...]
    """What a reader has to know, one sentence each."""


def compare_horizons(runs: Sequence[RecordedRun], delays: Sequence[int] = ()) -> Horizons:
    """Make a curve for each agent; runs of the same configuration up to the seed are one agent.

    Args:
        runs: of one task.
        delays: to show, all of which have been measured; none for all that there are.

    Raises:
        CannotRun: if a run has no horizon curve or lacks a delay, if curves are over different things, or if the seeds
            of an agent have no delay in common.
    """
    read = {run: _read(run, delays) for run in runs}
    for run, curve in read.items():
        if curve["by"] != read[runs[0]]["by"]:
            (one, ours), (other, theirs) = ((of, read[of]["by"]) for of in (runs[0], run))
            raise CannotRun(f"horizons over different things: {one.path} over {ours}, {other.path} over {theirs}")
    grouped = agents(runs)
    curves = {label: _curve(label, {run: read[run] for run in group}) for label, group in grouped.items()}
    return Horizons(curves, caveats(grouped, read))


def _read(run: RecordedRun, delays: Sequence[int]) -> HorizonJson:
    curve = read_horizon(run)
    command = f"{run.evaluate_command} --horizon"
    if curve is None and "env.kwargs.delay" not in run.config:
        raise CannotRun(f"--horizon: {run.path} was trained on {run.config['env.id']}, which has no delay to change")
    if curve is None:
        raise CannotRun(f"{run.path}: there is no horizon.json; make it with: {command}")
    by = curve["by"]
    measured = {point[by] for point in curve["points"]}
    if missing := sorted(set(delays) - measured):
        named = " ".join(map(str, missing))
        raise CannotRun(f"{run.path}: {by} {named} was not measured; measure it with: {command} {named}")
    return _with_points(curve, [point for point in curve["points"] if point[by] in delays]) if delays else curve


def _curve(label: str, read: Mapping[RecordedRun, HorizonJson]) -> HorizonJson:
    pooled = over_seeds(list(read.values()))
    if not pooled["points"]:
        raise CannotRun(f"{label}: its seeds have no delay in common; name delays after --horizon")
    return {
        **pooled,
        "seeds": [run.seed for run in read],
        "runs": [str(run.path) for run in read],
        "commands": [curve.get("command") for curve in read.values()],
    }


def over_seeds(curves: Sequence[HorizonJson]) -> HorizonJson:
    """Sum up the curves of several seeds, at the delays that all of them have.

    Args:
        curves: contents of `horizon.json`, at least one, over the same thing.

    Returns:
        a mapping of the same form; success is the interquartile mean of the seeds with its interval (see
        `evidence.statistics.success_interval`), the effective length that of this curve. A single curve is returned as
        it is.
    """
    first = curves[0]
    if len(curves) == 1:
        return first
    by = first["by"]
    seeds = [{point[by]: point for point in curve["points"]} for curve in curves]
    shared = sorted(set.intersection(*(set(points) for points in seeds)))
    points = [_point_over_seeds([points[delay] for points in seeds], by) for delay in shared]
    return _with_points({key: first.get(key) for key in ("by", "trained", "chance", "oracle")}, points)


def print_horizons(horizons: Horizons, task: str, console: Console) -> None:
    """Print the effective memory length of every agent, and what a reader has to know."""
    console.print(as_table(horizon_rows(horizons.curves), f"{task}: horizon"))
    for line in (LENGTH, *horizons.caveats):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def write_horizons(
    curves: Mapping[str, HorizonJson],
    path: Path,
    *,
    colors: Mapping[str, str] | None = None,
    caveats: Sequence[str] = (),
) -> tuple[Path, Path, Path]:
    """Write curves as JSON, and draw them as PNG and SVG.

    Args:
        curves: label -> curve.
        path: without a suffix; its folder is made if it is not there.
        colors: see `draw_horizon`.
        caveats: what a reader has to know, for the JSON file.

    Returns:
        the JSON file, the PNG file and the SVG file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.with_name(f"{path.name}.json")
    write_json(content, {"about": LENGTH, "caveats": list(caveats), "agents": dict(curves)})
    return content, *draw_horizon(curves, path, colors=colors)


def _point_over_seeds(points: Sequence[Mapping[str, Any]], by: str) -> dict[str, Any]:
    episodes = [point["episodes"] for point in points]
    # Older files do not say how many were played with the memory wiped: no fewer than this.
    wiped = [point.get("wiped_episodes") or min(point["episodes"], WIPED_EPISODES) for point in points]
    return {
        by: points[0][by],
        "episodes": sum(episodes),
        **_rate("success", [point["success"] for point in points], episodes),
        **_rate("wiped", [point.get("wiped") for point in points], wiped),
    }


def _rate(name: str, rates: Sequence[float | None], episodes: Sequence[int]) -> dict[str, float | None]:
    known = [(rate, round(rate * n), n) for rate, n in zip(rates, episodes, strict=True) if rate is not None]
    if not known:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    values, successes, played = zip(*known, strict=True)
    low, high = success_interval(successes, played)
    return {name: interquartile_mean(values), f"{name}_low": low, f"{name}_high": high}


def _with_points(curve: HorizonJson, points: Sequence[Mapping[str, Any]]) -> HorizonJson:
    """Return a curve with other points, and the effective length of these."""
    steps, low, high = EffectiveLength.of(points, curve["by"], curve.get("chance"), curve.get("trained"))
    lengths = {"effective_length": steps, "effective_low": low, "effective_high": high}
    return {**curve, "points": list(points), **lengths}
