"""A comparison as tables on the terminal, as CSV and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from engram.evidence.comparison.compare import Comparison
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import LEAST_SEEDS, Estimate
from engram.evidence.tables import Rows, as_csv, as_number, as_percent, as_table, print_line
from engram.tracking.atomic import write_json, write_text

LEGEND = (
    f"Test side. Of {LEAST_SEEDS} seeds or more: their mean and its 95 % interval over seeds; of fewer: their mean and "
    "each seed; of a single one: the 95 % interval over episodes of this agent, which tells nothing of other seeds."
)
BETTER = (
    "Probability that a run of the row has more {metric} than a run of the column (95 % interval; ties count half)."
)


def score_rows(comparison: Comparison, setting: str = AS_TRAINED) -> Rows:
    """Return the table of scores in one setting: a heading, and a row for each agent.

    Args:
        comparison: what to show.
        setting: one of its settings.
    """
    rows: Rows = [("agent", "seeds", "success", "sampled", "return", "memory wiped", "return, wiped")]
    for agent in comparison.agents:
        scores = agent.settings[setting]
        seeds = str(len(scores.mean_return.by_run) if scores.mean_return else 0)
        rates = as_percent(scores.success), as_percent(scores.sampled), as_percent(scores.wiped)
        returns = as_number(scores.mean_return), as_number(scores.wiped_return)
        rows.append((agent.label, seeds, *rates[:2], returns[0], rates[2], returns[1]))
    # A column in which nothing is known tells nothing, and success with the memory wiped tells more than its return.
    needless = "return, wiped" if comparison.metric == "success" else ""
    columns = [c for c in zip(*rows, strict=True) if c[0] != needless and (c[0] == "seeds" or set(c[1:]) != {"-"})]
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
    for line in (LEGEND, *((BETTER.format(metric=comparison.metric),) if better else ()), *comparison.caveats):
        print_line(console, line)


def write_comparison(comparison: Comparison, path: Path) -> tuple[Path, Path]:
    """Write a comparison as JSON, everything, and as CSV, one row for each agent and setting.

    Args:
        comparison: what to write.
        path: without a suffix; its folder is made if it is not there.

    Returns:
        the JSON file and the CSV file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    json_path, csv_path = path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.csv")
    write_json(json_path, {**asdict(comparison), "about": LEGEND})
    rows = [
        {
            "agent": agent.label,
            "control": agent.is_control,
            "setting": setting,
            "seeds": " ".join(map(str, agent.seeds)),
            **_columns("", vars(scores)),
            **_columns("better_than_", agent.better_than if setting == AS_TRAINED else {}),
        }
        for agent in comparison.agents
        for setting, scores in agent.settings.items()
    ]
    write_text(csv_path, as_csv(rows))
    return json_path, csv_path


def _columns(prefix: str, estimates: Mapping[str, Estimate | None]) -> dict[str, float | None]:
    """Flatten estimates to columns NAME, NAME_low, NAME_high."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{prefix}{name}{end}": getattr(estimate, field, None)
        for name, estimate in estimates.items()
        for end, field in ends.items()
    }
