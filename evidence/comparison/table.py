"""A comparison as tables on the terminal, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from engram.evidence.comparison.compare import AgentResult, Comparison, SettingScores
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.tables import Rows, as_number, as_percent, as_table
from engram.tracking.atomic import write_json, write_text

LEGEND = (
    "Test side. Over seeds: interquartile mean and 95 % interval of a stratified bootstrap; of a single run: 95 % "
    "Wilson interval."
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
        rows.append(
            (
                agent.label,
                str(len(scores.mean_return.by_run) if scores.mean_return else 0),
                as_percent(scores.success),
                as_percent(scores.sampled),
                as_number(scores.mean_return),
                as_percent(scores.wiped),
                as_number(scores.wiped_return),
            )
        )
    # A column in which nothing is known says nothing, and success with the memory wiped says it better than a return.
    needless = "return, wiped" if comparison.metric == "success" else ""
    kept = [
        i for i, name in enumerate(rows[0]) if i < 2 or (name != needless and any(row[i] != "-" for row in rows[1:]))
    ]
    return [tuple(row[i] for i in kept) for row in rows]


def improvement_rows(comparison: Comparison) -> Rows:
    """Return the table of probabilities of improvement over the controls; empty if there are none."""
    controls = list(dict.fromkeys(control for agent in comparison.agents for control in agent.better_than))
    if not controls:
        return []
    rows: Rows = [("agent", *(f"better than {control}" for control in controls))]
    for agent in comparison.agents:
        if agent.better_than:
            rows.append((agent.label, *(as_number(agent.better_than.get(name), 2) for name in controls)))
    return rows


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the scores of every setting, the probabilities of improvement, and what a reader has to know."""
    for setting in comparison.settings:
        title = comparison.task if setting == AS_TRAINED else setting
        console.print(as_table(score_rows(comparison, setting), title))
    if better := improvement_rows(comparison):
        console.print(as_table(better, "probability of improvement"))
    for line in (LEGEND, *((BETTER.format(metric=comparison.metric),) if better else ()), *comparison.caveats):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


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
        {**_plain(agent, setting, scores), **_ends("better_than_", agent.better_than if setting == AS_TRAINED else {})}
        for agent in comparison.agents
        for setting, scores in agent.settings.items()
    ]
    text = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(csv_path, text.getvalue())
    return json_path, csv_path


def _plain(agent: AgentResult, setting: str, scores: SettingScores) -> dict[str, Any]:
    return {
        "agent": agent.label,
        "control": agent.is_control,
        "setting": setting,
        "seeds": " ".join(map(str, agent.seeds)),
        **_ends("", vars(scores)),
    }


def _ends(prefix: str, estimates: Any) -> dict[str, float | str]:
    """Flatten estimates to columns NAME, NAME_low, NAME_high."""
    return dict(_columns(prefix, estimates))


def _columns(prefix: str, estimates: Any) -> Iterator[tuple[str, float | str]]:
    for name, estimate in estimates.items():
        for end in ("value", "low", "high"):
            value = None if estimate is None else getattr(estimate, end)
            yield f"{prefix}{name}" + ("" if end == "value" else f"_{end}"), "" if value is None else value
