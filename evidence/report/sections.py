"""The sections of a report on one task, each a list of blocks: tables, figures, notes, and what is missing."""

from collections.abc import Callable

from engram.configs import CannotRun
from engram.evidence.comparison.compare import compare
from engram.evidence.comparison.table import BETTER, LEGEND, improvement_rows, score_rows, write_comparison
from engram.evidence.horizon.compare import horizon_rows, horizons_of, write_horizons
from engram.evidence.horizon.curve import LENGTH, read_horizon
from engram.evidence.plotting import save_figure
from engram.evidence.report.blocks import Block, TaskRuns, each_run, figure
from engram.evidence.report.certificate import certificate_section
from engram.evidence.report.cost import cost_section
from engram.evidence.report.learning_curves import draw_curves, read_curve
from engram.evidence.runs.files import MadeBy
from engram.evidence.runs.recorded_run import RecordedRun, read_evaluation
from engram.evidence.runs.result_files import what_made
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import LEAST_SEEDS, Metric
from engram.tracking import RunFolder

# Side -> metrics, of which the first that any run has is drawn, and values to average over.
CURVES: dict[str, tuple[tuple[str, ...], int]] = {
    "training": (("rollout/success_rate", "rollout/ep_rew_mean"), 5),
    "validation": (("eval/success_rate", "eval/mean_return"), 1),
}


def curves_section(runs: TaskRuns) -> list[Block]:
    """Draw success, or return, over the training, on the training side and on the validation side."""
    blocks = []
    for side, (names, width) in CURVES.items():
        for name in names:
            found, lacking = runs.read(lambda run, metric: read_curve(run.path, metric), name)
            if found:
                break
        else:
            blocks.append(Block("missing", [f"no learning curve of the {side} side: {reason}" for reason in lacking]))
            continue
        metric: Metric = "success" if name.endswith("success_rate") else "return"
        known = [run.config.get("env.chance") for run in runs.all] if metric == "success" else []
        chance = next((float(chance) for chance in known if isinstance(chance, int | float)), None)
        curves, ylabel = {label: list(group.values()) for label, group in found.items()}, f"{metric} ({side} side)"
        drawn = draw_curves(curves, metric=metric, ylabel=ylabel, chance=chance, width=width, colors=runs.colors)
        caption = f"{metric.capitalize()} on the {side} side: each seed, and their mean, with its 95 % interval from "
        caption += f"{LEAST_SEEDS} seeds on." + (f" Running mean over {width} values." if width > 1 else "")
        blocks.append(figure(save_figure(drawn, runs.file(f"curves-{side}")), caption))
        blocks.append(Block("missing", [f"left out of this curve: {reason}" for reason in lacking]))
    return blocks


def comparison_section(runs: TaskRuns) -> list[Block]:
    """Show the scores of every agent with their intervals, and the probabilities of improvement over the controls."""
    found, lacking = runs.read(read_evaluation)
    if not found:
        return [Block("missing", lacking)]
    comparison, blocks = compare([run for group in found.values() for run in group]), []
    *_, png, svg = write_comparison(comparison, runs.file("comparison"), colors=runs.colors)
    for setting in comparison.settings:
        if setting != AS_TRAINED:
            blocks.append(Block("note", f"In another setting than trained, {setting}:"))
        blocks.append(Block("table", score_rows(comparison, setting)))
    if better := improvement_rows(comparison):
        blocks += [Block("table", better), Block("note", BETTER.format(metric=comparison.metric))]
    blocks += [Block("note", line) for line in (LEGEND, *comparison.caveats)]
    caption = "The same as a figure: each agent (number of seeds) in each setting, memory intact and wiped."
    return [*blocks, figure((png, svg), caption), Block("missing", lacking)]


def horizon_section(runs: TaskRuns) -> list[Block]:
    """Draw success against delay."""
    if not any("env.kwargs.delay" in run.config for run in runs.all):
        return [Block("note", "This task has no delay that could be varied.")]
    found, lacking = runs.read(read_horizon)
    try:
        horizons = horizons_of(found, lacking)
    except CannotRun as error:
        return [Block("missing", list(dict.fromkeys([*lacking, str(error)])))]
    shown = {label: found[label] for label in horizons.curves}
    _, png, svg = write_horizons(horizons, runs.file("horizon"), colors=runs.colors)
    caption = "Success against the delay over which something had to be remembered; with 95 % intervals over seeds "
    caption += f"from {LEAST_SEEDS} seeds on, of a single one over its episodes."
    notes = [Block("note", line) for line in (LENGTH, *horizons.caveats)]
    blocks = [figure((png, svg), caption), Block("table", horizon_rows(horizons.curves)), *notes]
    commands = each_run(shown, ["measured with"], lambda _, horizon: [horizon.command or "-"])
    return [*blocks, Block("missing", horizons.left_out), commands]


def runs_section(runs: TaskRuns) -> list[Block]:
    """List the runs with the commands that made them."""

    def made(run: RecordedRun) -> tuple[MadeBy, MadeBy]:
        return what_made(RunFolder(run.path).versions), what_made(RunFolder(run.path).evaluation)

    def cells(run: RecordedRun, found: tuple[MadeBy, MadeBy]) -> list[str]:
        trained, evaluated = found
        commit = (trained.git_commit or "-")[:7] + (" (changed)" if trained.git_dirty else "")
        steps = run.cut_short or ("-" if run.steps is None else f"{run.steps:,}")
        return [str(run.path), steps, commit, trained.command or "-", evaluated.command or "-"]

    headings = ("folder", "steps", "commit", "trained with", "evaluated with")
    return [each_run(runs.read(made)[0], headings, cells, "the runs and their commands")]


SECTIONS: dict[str, Callable[[TaskRuns], list[Block]]] = {
    "Learning curves": curves_section,
    "On the test side": comparison_section,
    "Certificate of memory": certificate_section,
    "Horizon": horizon_section,
    "Cost": cost_section,
    "Runs": runs_section,
}
