"""A comparison as tables on the terminal, and as files."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from engram.evidence.comparison.compare import Comparison
from engram.evidence.comparison.figure import draw_comparison
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import LEAST_SEEDS, columns_of
from engram.evidence.tables import Rows, as_csv, as_number, as_percent, as_table, print_line
from engram.tracking.atomic import write_json, write_text

LEGEND = (
    f"Test side. Of {LEAST_SEEDS} seeds or more: their mean and its 95 % interval over seeds; of fewer: their mean and "
    "each seed; of a single one: the 95 % interval over episodes of this agent, which tells nothing of other seeds."
)
BETTER = (
    "Probability that a run of the row has more {metric} than a run of the column (95 % interval; ties count half)."
)
COLUMNS = {
    "success": ("success", as_percent),
    "sampled": ("sampled", as_percent),
    "return": ("mean_return", as_number),
    "memory wiped": ("wiped", as_percent),
    "return, wiped": ("wiped_return", as_number),
}
"""Heading -> which of the scores, and how it is written."""


def score_rows(comparison: Comparison, setting: str = AS_TRAINED) -> Rows:
    """Return the table of scores in one setting: a heading, and a row for each agent."""
    scores = [agent.settings[setting] for agent in comparison.agents]
    counts = [str(len(found["mean_return"].by_run)) if found["mean_return"] else "0" for found in scores]
    columns = [("agent", *(agent.label for agent in comparison.agents)), ("seeds", *counts)]
    for heading, (name, shown) in COLUMNS.items():
        # Success with the memory wiped tells more than its return.
        if any(found[name] for found in scores) and (comparison.metric == "return" or name != "wiped_return"):
            columns.append((heading, *(shown(found[name]) for found in scores)))
    return list(zip(*columns, strict=True))


def improvement_rows(comparison: Comparison) -> Rows:
    """Return the table of probabilities of improvement over the controls; empty if there are none."""
    controls = list(dict.fromkeys(control for agent in comparison.agents for control in agent.better_than))
    rows: Rows = [("agent", *(f"better than {control}" for control in controls))]
    for agent in comparison.agents:
        if agent.better_than:
            rows.append((agent.label, *(as_number(agent.better_than.get(name), 2) for name in controls)))
    return rows if controls else []


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the scores of every setting, the probabilities of improvement, and what a reader has to know."""
    for setting in comparison.settings:
        title = comparison.task if setting == AS_TRAINED else setting
        console.print(as_table(score_rows(comparison, setting), title))
    if better := improvement_rows(comparison):
        console.print(as_table(better, "probability of improvement"))
    left_out = (f"Left out: {reason}" for reason in comparison.left_out)
    for line in (
        LEGEND,
        *([BETTER.format(metric=comparison.metric)] if better else []),
        *comparison.caveats,
        *left_out,
    ):
        print_line(console, line)


def write_comparison(
    comparison: Comparison, path: Path, *, colors: Mapping[str, str] | None = None
) -> tuple[Path, Path, Path, Path]:
    """Write a comparison as JSON, everything, as CSV, one row for each agent and setting, and as PNG and SVG.

    The path has no suffix; its folder is made if it is not there. Returns the four files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    json_path, csv_path = path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.csv")
    write_json(json_path, {**asdict(comparison), "about": LEGEND})
    rows = []
    for agent in comparison.agents:
        seeds = " ".join(map(str, agent.seeds))
        for setting, scores in agent.settings.items():
            better = {f"better_than_{name}": found for name, found in agent.better_than.items()}
            known = {**scores, **(better if setting == AS_TRAINED else {})}
            about = {"agent": agent.label, "control": agent.is_control, "setting": setting, "seeds": seeds}
            rows.append(about | {key: cell for name, e in known.items() for key, cell in columns_of(name, e).items()})
    write_text(csv_path, as_csv(rows))
    return json_path, csv_path, *draw_comparison(comparison, path, colors=colors)
