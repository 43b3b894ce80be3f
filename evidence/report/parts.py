"""The parts of a report on one task: curves, scores, horizon, cost, and the runs themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engram.configs import CannotRun
from engram.evidence.comparison.compare import Comparison, compare_runs
from engram.evidence.comparison.figure import draw_comparison
from engram.evidence.comparison.table import BETTER, LEGEND, improvement_rows, score_rows, write_comparison
from engram.evidence.horizon.compare import over_seeds, write_horizons
from engram.evidence.horizon.curve import HorizonJson
from engram.evidence.horizon.table import LENGTH, horizon_rows
from engram.evidence.plotting import save_figure
from engram.evidence.report.cost import cost_row, read_cost
from engram.evidence.report.html import TaskRuns, figure, folded, missing, note, table
from engram.evidence.report.learning_curves import Curve, draw_curves, read_curve
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.recorded_run import RecordedRun, read_evaluation, read_horizon
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.tables import Rows
from engram.tracking import RunFolder

# Side -> metrics, of which the first that any run has is drawn, and values to average over.
CURVES: dict[str, tuple[tuple[str, ...], int]] = {
    "training": (("rollout/success_rate", "rollout/ep_rew_mean"), 5),
    "validation": (("eval/success_rate", "eval/mean_return"), 1),
}


def curves_part(runs: TaskRuns) -> str:
    """Draw success, or return, over the training, on the training side and on the validation side."""
    parts = []
    for side, (metrics, width) in CURVES.items():
        for metric in metrics:
            curves, lacking = _curves(runs, metric)
            if curves:
                break
        else:
            parts.append(missing([f"no learning curve of the {side} side: {reason}" for reason in lacking]))
            continue
        what = "success" if metric.endswith("success_rate") else "return"
        drawn = draw_curves(
            curves,
            ylabel=f"{what} ({side} side)",
            chance=_chance(runs) if what == "success" else None,
            width=width,
            colors=runs.colors,
        )
        caption = (
            f"{what.capitalize()} on the {side} side: interquartile mean over seeds, its 95 % interval, each seed."
        )
        if width > 1:
            caption += f" Running mean over {width} values."
        parts.append(figure(save_figure(drawn, runs.file(f"curves-{side}")), caption, runs.command))
        parts.append(missing([f"left out of this curve: {reason}" for reason in lacking]))
    return "\n".join(parts)


def comparison_part(runs: TaskRuns) -> str:
    """Show the scores of every agent with their intervals, and the probabilities of improvement over the controls."""
    evaluated, lacking = [], []
    for run in _all(runs):
        try:
            read_evaluation(run)
            evaluated.append(run)
        except CannotRun as error:
            lacking.append(str(error))
    if not evaluated:
        return missing(lacking)
    comparison = compare_runs(evaluated)
    write_comparison(comparison, runs.file("comparison"))
    return "\n".join([_scores(comparison, runs), missing(lacking)])


def horizon_part(runs: TaskRuns) -> str:
    """Draw success against delay; one axis is for what is varied in the first curve that there is."""
    curves: dict[str, HorizonJson] = {}
    read: dict[str, dict[RecordedRun, HorizonJson]] = {}
    lacking, commands = [], []
    by = None
    for label, group in runs.agents.items():
        found: dict[RecordedRun, HorizonJson] = {}
        for run in group:
            try:
                horizon = read_horizon(run)
            except CannotRun as error:
                lacking.append(str(error))
                continue
            if horizon is None:
                if "env.kwargs.delay" in run.config:
                    lacking.append(f"no horizon curve of {run.path}: {run.evaluate_command} --horizon")
                continue
            by = by or horizon["by"]
            if horizon["by"] != by:
                lacking.append(f"left out: the horizon curve of {run.path} is over {horizon['by']}, not over {by}")
            else:
                found[run] = horizon
                commands.append((label, str(run.seed), str(horizon.get("command", "-"))))
        if found and (pooled := over_seeds(list(found.values())))["points"]:
            curves[label], read[label] = {**pooled, "seeds": [run.seed for run in found]}, found
        elif found:
            lacking.append(f"left out: the horizon curves of {label} have no {by} in common")
    if not curves:
        return missing(lacking) or note("This task has no delay that could be varied.")
    of_runs = {run: horizon for found in read.values() for run, horizon in found.items()}
    weak = caveats({label: list(found) for label, found in read.items()}, of_runs)
    _, *saved = write_horizons(curves, runs.file("horizon"), colors=runs.colors, caveats=weak)
    caption = "Success against the delay over which something had to be remembered, with 95 % intervals."
    measured = table([("agent", "seed", "measured with"), *commands], words=True)
    drawn = figure((saved[0], saved[1]), caption, runs.command)
    lengths = table(horizon_rows(curves))
    said = [note(line) for line in (LENGTH, *weak)]
    return "\n".join([drawn, lengths, *said, missing(lacking), folded("each run", measured)])


def cost_part(runs: TaskRuns) -> str:
    """Show what training has cost: the median over seeds and the range."""
    rows: Rows = [("agent", "steps", "wall time", "steps per second", "parameters", "peak memory (MB)")]
    rows += [(label, *cost_row([read_cost(run.path) for run in group])) for label, group in runs.agents.items()]
    return table(rows) + note("Median over seeds, and from the least to the most; - where it was not recorded.")


def runs_part(runs: TaskRuns) -> str:
    """List the runs with the commands that made them."""
    rows: Rows = [("agent", "seed", "folder", "commit", "trained with", "evaluated with")]
    for label, group in runs.agents.items():
        for run in group:
            folder = RunFolder(run.path)
            versions, evaluation = _content(folder.versions), _content(folder.evaluation)
            commit = str(versions.get("git_commit") or "-")[:7] + (" (changed)" if versions.get("git_dirty") else "")
            commands = (str(content.get("command") or "-") for content in (versions, evaluation))
            rows.append((label, str(run.seed), str(run.path), commit, *commands))
    return folded("the runs and their commands", table(rows, words=True))


def _scores(comparison: Comparison, runs: TaskRuns) -> str:
    parts = []
    for setting in comparison.settings:
        if setting != AS_TRAINED:
            parts.append(note(f"In another setting than trained, {setting}:"))
        parts.append(table(score_rows(comparison, setting)))
    if better := improvement_rows(comparison):
        parts += [table(better), note(BETTER.format(metric=comparison.metric))]
    parts += [note(line) for line in (LEGEND, *comparison.caveats)]
    caption = "The same as a figure: each agent (number of seeds) in each setting, memory intact and wiped."
    return "\n".join([*parts, figure(draw_comparison(comparison, runs.file("comparison")), caption, runs.command)])


def _curves(runs: TaskRuns, metric: str) -> tuple[dict[str, list[Curve]], list[str]]:
    curves: dict[str, list[Curve]] = {}
    lacking = []
    for label, group in runs.agents.items():
        for run in group:
            try:
                curves.setdefault(label, []).append(read_curve(run.path, metric))
            except (ValueError, OSError) as error:
                lacking.append(str(error))
    return {label: found for label, found in curves.items() if found}, lacking


def _chance(runs: TaskRuns) -> float | None:
    known = [run.config.get("env.chance") for run in _all(runs)]
    return next((float(chance) for chance in known if isinstance(chance, int | float)), None)


def _all(runs: TaskRuns) -> Sequence[RecordedRun]:
    return [run for group in runs.agents.values() for run in group]


def _content(path: Any) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
