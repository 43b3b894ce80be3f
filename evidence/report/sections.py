"""The sections of a report on one task, each a list of blocks: tables, figures, notes, and what is missing."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engram.configs import CannotRun
from engram.evidence.comparison.compare import compare
from engram.evidence.comparison.figure import draw_comparison
from engram.evidence.comparison.table import BETTER, LEGEND, improvement_rows, score_rows, write_comparison
from engram.evidence.horizon.compare import Horizons, horizon_rows, over_seeds, write_horizons
from engram.evidence.horizon.curve import LENGTH, HorizonFile, read_horizon
from engram.evidence.plotting import save_figure
from engram.evidence.report.certificate import certificate_tables
from engram.evidence.report.cost import COLUMNS, cost_row
from engram.evidence.report.learning_curves import Curve, draw_curves, read_curve
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.files import MadeBy, VersionsFile, read_file
from engram.evidence.runs.recorded_run import RecordedRun, read_evaluation
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import LEAST_SEEDS, Metric
from engram.evidence.tables import Rows
from engram.tracking import RunFolder

# Side -> metrics, of which the first that any run has is drawn, and values to average over.
CURVES: dict[str, tuple[tuple[str, ...], int]] = {
    "training": (("rollout/success_rate", "rollout/ep_rew_mean"), 5),
    "validation": (("eval/success_rate", "eval/mean_return"), 1),
}


class Block(NamedTuple):
    """A part of the page, for the macro of the template that has the same name as its kind."""

    kind: str
    content: Any


class TaskRuns(NamedTuple):
    """The runs of one task, and where their figures go."""

    agents: Mapping[str, Sequence[RecordedRun]]
    """Label -> runs."""
    folder: Path
    prefix: str
    """Of the names of files, where there are several tasks."""
    colors: Mapping[str, str]
    """Of the labels, the same in all figures."""

    def __iter__(self) -> Iterator[Any]:
        return (run for group in self.agents.values() for run in group)

    def file(self, name: str) -> Path:
        """Return where a file of this task is written."""
        return self.folder / f"{self.prefix}{name}"


def curves_section(runs: TaskRuns) -> list[Block]:
    """Draw success, or return, over the training, on the training side and on the validation side."""
    blocks = []
    for side, (names, width) in CURVES.items():
        for name in names:
            curves, lacking = _curves(runs, name)
            if curves:
                break
        else:
            blocks.append(Block("missing", [f"no learning curve of the {side} side: {reason}" for reason in lacking]))
            continue
        metric: Metric = "success" if name.endswith("success_rate") else "return"
        known = [run.config.get("env.chance") for run in runs] if metric == "success" else []
        chance = next((float(chance) for chance in known if isinstance(chance, int | float)), None)
        label = f"{metric} ({side} side)"
        drawn = draw_curves(curves, metric=metric, ylabel=label, chance=chance, width=width, colors=runs.colors)
        caption = f"{metric.capitalize()} on the {side} side: each seed, and their mean, with its 95 % interval from "
        caption += f"{LEAST_SEEDS} seeds on." + (f" Running mean over {width} values." if width > 1 else "")
        blocks.append(_figure(save_figure(drawn, runs.file(f"curves-{side}")), caption))
        blocks.append(Block("missing", [f"left out of this curve: {reason}" for reason in lacking]))
    return blocks


def comparison_section(runs: TaskRuns) -> list[Block]:
    """Show the scores of every agent with their intervals, and the probabilities of improvement over the controls."""
    read, lacking = _read_all(runs, read_evaluation)
    if not read:
        return [Block("missing", lacking)]
    comparison, blocks = compare(list(read)), []
    write_comparison(comparison, runs.file("comparison"))
    for setting in comparison.settings:
        if setting != AS_TRAINED:
            blocks.append(Block("note", f"In another setting than trained, {setting}:"))
        blocks.append(Block("table", score_rows(comparison, setting)))
    if better := improvement_rows(comparison):
        blocks += [Block("table", better), Block("note", BETTER.format(metric=comparison.metric))]
    blocks += [Block("note", line) for line in (LEGEND, *comparison.caveats)]
    caption = "The same as a figure: each agent (number of seeds) in each setting, memory intact and wiped."
    drawn = draw_comparison(comparison, runs.file("comparison"))
    return [*blocks, _figure(drawn, caption), Block("missing", lacking)]


def certificate_section(runs: TaskRuns) -> list[Block]:
    """Show what every intervention leaves of the success, or return, what is concluded, and how it was played."""
    found, lacking = certificate_tables(runs.agents)
    if found is None:
        return [Block("missing", lacking)]
    blocks = [Block("table", found.scores), *(Block("note", line) for line in found.notes), Block("missing", lacking)]
    return [*blocks, Block("folded", ("each run", found.runs))]


def horizon_section(runs: TaskRuns) -> list[Block]:
    """Draw success against delay."""
    read, lacking = _read_all(runs, read_horizon)
    curves: dict[str, HorizonFile] = {}
    shown: dict[str, list[RecordedRun]] = {}
    for label, group in runs.agents.items():
        found = {run: horizon for run in group if (horizon := read.get(run))}
        try:
            if found:
                curves[label], shown[label] = over_seeds(label, found), list(found)
        except CannotRun as error:
            lacking.append(f"left out: {error}")
        unmeasured = [run for run in group if run in read and not found.get(run) and "env.kwargs.delay" in run.config]
        lacking += [f"no horizon curve of {run.path}: {run.evaluate_command} --horizon" for run in unmeasured]
    if not curves:
        return [Block("missing", lacking) if lacking else Block("note", "This task has no delay that could be varied.")]
    weak = caveats(shown, {run: horizon for run, horizon in read.items() if horizon})
    _, *saved = write_horizons(Horizons(curves, weak), runs.file("horizon"), colors=runs.colors)
    caption = "Success against the delay over which something had to be remembered; with 95 % intervals over seeds "
    caption += f"from {LEAST_SEEDS} seeds on, of a single one over its episodes."
    commands: Rows = [("agent", "seed", "measured with")]
    for label, group in shown.items():
        commands += [(label, str(run.seed), horizon.command or "-") for run in group if (horizon := read[run])]
    notes = [Block("note", line) for line in (LENGTH, *weak)]
    tables = [Block("table", horizon_rows(curves)), *notes, Block("missing", lacking)]
    return [_figure((saved[0], saved[1]), caption), *tables, Block("folded", ("each run", commands))]


def cost_section(runs: TaskRuns) -> list[Block]:
    """Show what training has cost: the median over seeds and the range."""
    rows: Rows = [("agent", *COLUMNS)]
    rows += [(label, *cost_row([run.path for run in group])) for label, group in runs.agents.items()]
    note = "Median over seeds, and from the least to the most; - where it was not recorded."
    return [Block("table", rows), Block("note", note)]


def runs_section(runs: TaskRuns) -> list[Block]:
    """List the runs with the commands that made them."""
    rows: Rows = [("agent", "seed", "folder", "commit", "trained with", "evaluated with")]
    for label, group in runs.agents.items():
        for run in group:
            folder = RunFolder(run.path)
            trained, evaluated = (_made_by(path) for path in (folder.versions, folder.evaluation))
            commit = (trained.git_commit or "-")[:7] + (" (changed)" if trained.git_dirty else "")
            rows.append((label, str(run.seed), str(run.path), commit, trained.command or "-", evaluated.command or "-"))
    return [Block("folded", ("the runs and their commands", rows))]


SECTIONS: dict[str, Callable[[TaskRuns], list[Block]]] = {
    "Learning curves": curves_section,
    "On the test side": comparison_section,
    "Certificate of memory": certificate_section,
    "Horizon": horizon_section,
    "Cost": cost_section,
    "Runs": runs_section,
}


def _figure(saved: tuple[Path, Path], caption: str) -> Block:
    png, svg = saved
    # As an image, not inline: parts of two SVG on one page must not be taken for each other by their names.
    content = base64.b64encode(svg.read_bytes()).decode()
    return Block("figure", {"svg": content, "caption": f"{caption} Also as {png.name} and {svg.name}."})


def _read_all(runs: TaskRuns, read: Callable[[RecordedRun], Any]) -> tuple[dict[RecordedRun, Any], list[str]]:
    """Read a file of each run; return what was read, and what is wrong with the others."""
    found, lacking = {}, []
    for run in runs:
        try:
            found[run] = read(run)
        except CannotRun as error:
            lacking.append(str(error))
    return found, lacking


def _made_by(path: Path) -> MadeBy:
    try:
        return read_file(path, VersionsFile, "")
    except CannotRun:
        return MadeBy()


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
