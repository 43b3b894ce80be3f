"""The horizons of several agents as one figure, one table and one file, the seeds of an agent together."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from engram.configs import CannotRun
from engram.evidence.horizon.curve import LENGTH, HorizonFile, HorizonPoint, Name, rates, read_horizon
from engram.evidence.horizon.figure import draw_horizon
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.groups import agents, read_each
from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.statistics import aggregate_over_seeds
from engram.evidence.tables import Rows, as_percent, as_table, print_line
from engram.tracking.atomic import write_json

NAMES: tuple[Name, ...] = ("success", "wiped")


class Horizons(NamedTuple):
    """Curves side by side."""

    curves: Mapping[str, HorizonFile]
    """By the label of the agent."""
    caveats: tuple[str, ...]
    """What a reader has to know, one sentence each."""
    left_out: tuple[str, ...]
    """Runs and agents without a curve, and why."""


def compare_horizons(runs: Sequence[RecordedRun], delays: Sequence[int] = ()) -> Horizons:
    """Make a curve for each agent; runs of the same configuration up to the seed are one agent.

    Args:
        runs: of one task.
        delays: to show; none for all that there are. A run that lacks one is left out.

    Raises:
        CannotRun: if no agent has a curve; see `horizons_of`.
    """
    return horizons_of(*read_each(agents(runs), partial(_read, delays=delays)))


def horizons_of(read: Mapping[str, Mapping[RecordedRun, HorizonFile]], lacking: Sequence[str] = ()) -> Horizons:
    """Make a curve for each agent.

    Args:
        read: label -> run -> what was measured.
        lacking: what is wrong with other runs.

    Raises:
        CannotRun: if no agent has a curve: its seeds have no delay in common, or nothing was measured.
    """
    curves, left_out = {}, list(lacking)
    for label, group in read.items():
        try:
            curves[label] = over_seeds(label, group)
        except CannotRun as error:
            left_out.append(str(error))
    if not curves:
        raise CannotRun(left_out[0])
    dropped = [line for label in curves for line in dropped_delays(label, read[label])]
    known = caveats({label: read[label] for label in curves})
    return Horizons(curves, (*known, *dropped), tuple(left_out))


def dropped_delays(label: str, read: Mapping[RecordedRun, HorizonFile]) -> list[str]:
    """List, in one sentence each, which delays a curve over seeds lacks, and whose seed did not play them."""
    measured = {run: {point.delay for point in curve.points} for run, curve in read.items()}
    every = set[int]().union(*measured.values())
    missing = {run: ", ".join(f"{delay:,}" for delay in sorted(every - its)) for run, its in measured.items()}
    return [
        f"Dropped from the curve of {label}: delay {delays}, which seed {run.seed} ({run.path}) did not play."
        for run, delays in missing.items()
        if delays
    ]


def _read(run: RecordedRun, delays: Sequence[int]) -> HorizonFile:
    curve = read_horizon(run)
    if missing := sorted(set(delays) - {point.delay for point in curve.points}):
        named = " ".join(map(str, missing))
        command = f"{run.evaluate_command} --horizon {named}"
        raise CannotRun(f"{run.path}: delay {named} was not measured; measure it with: {command}")
    shown = [point for point in curve.points if point.delay in delays]
    return curve.model_copy(update={"points": shown}).with_length() if delays else curve


def over_seeds(label: str, read: Mapping[RecordedRun, HorizonFile]) -> HorizonFile:
    """Sum up the curves of an agent's seeds, at the delays that all of them have.

    The points are of `evidence.statistics.aggregate_over_seeds`, the effective length is that of the curve they make. A
    single curve keeps its own points.

    Raises:
        CannotRun: if the seeds have no delay in common.
    """
    curves = list(read.values())
    commands, paths = [curve.command for curve in curves], [str(run.path) for run in read]
    seeds: dict[str, Any] = {"seeds": [run.seed for run in read], "runs": paths, "commands": commands}
    if len(curves) == 1:
        return curves[0].model_copy(update=seeds)
    by_delay = [{point.delay: point for point in curve.points} for curve in curves]
    shared = sorted(set(by_delay[0]).intersection(*by_delay))
    if not shared:
        raise CannotRun(f"{label}: its seeds have no delay in common; name delays after --horizon")
    points = []
    for delay in shared:
        found = [points[delay] for points in by_delay]
        success, wiped = (aggregate_over_seeds([p.estimate(name) for p in found], "success") for name in NAMES)
        keys = rates("success", success) | rates("wiped", wiped)
        points.append(HorizonPoint(delay=delay, episodes=sum(point.episodes for point in found), **keys))
    seeds |= {name: getattr(curves[0], name) for name in ("trained", "chance", "oracle")}
    seeds |= {"length_by_seed": [curve.effective_length for curve in curves]}
    return HorizonFile(by="delay", points=points, **seeds).with_length()


def horizon_rows(curves: Mapping[str, HorizonFile]) -> Rows:
    """Return the table of effective memory lengths: a heading, and a row for each agent."""
    longest = max(point.delay for curve in curves.values() for point in curve.points)
    rows: Rows = [("agent", "seeds", "effective length", "95 % interval", f"success at {longest:,}", "memory wiped")]
    for label, curve in curves.items():
        last = [point for point in curve.points if point.delay == longest]
        rates = [as_percent(last[0].estimate(name)) if last else "-" for name in NAMES]
        rows.append((label, str(len(curve.seeds or (0,))), *curve.shown_length(), *rates))
    return rows


def print_horizons(horizons: Horizons, task: str, console: Console) -> None:
    """Print the effective memory length of every agent, and what a reader has to know."""
    console.print(as_table(horizon_rows(horizons.curves), f"{task}: horizon"))
    for line in (LENGTH, *horizons.caveats, *(f"Left out: {reason}" for reason in horizons.left_out)):
        print_line(console, line)


def write_horizons(
    horizons: Horizons, path: Path, *, colors: Mapping[str, str] | None = None
) -> tuple[Path, Path, Path]:
    """Write curves as JSON, and draw them as PNG and SVG in these colors; return the three files.

    The path has no suffix; its folder is made if it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.with_name(f"{path.name}.json")
    curves = {label: curve.model_dump(exclude_unset=True) for label, curve in horizons.curves.items()}
    write_json(
        content,
        {"about": LENGTH, "caveats": list(horizons.caveats), "left_out": list(horizons.left_out), "agents": curves},
    )
    return content, *draw_horizon(horizons.curves, path, colors=colors)
