"""A comparison as tables on the terminal, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engram.evidence.comparison.compare import AgentResult, Comparison, SettingScores
from engram.evidence.estimate import Estimate
from engram.evidence.evaluation.result import AS_TRAINED
from engram.tracking.atomic import write_json, write_text

Rows = list[tuple[str, ...]]
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


def as_percent(estimate: Estimate | None) -> str:
    """Write a rate as `97.5 % (94.3-98.9)`; without an interval where all of several seeds agree."""
    if estimate is None:
        return "-"
    if _all_agree(estimate):
        return f"{100 * estimate.value:.1f} % in all"
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:.1f} %"
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def as_number(estimate: Estimate | None, digits: int = 3) -> str:
    """Write a number as `0.966 (0.951-0.970)`; without an interval where there is none."""
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None or _all_agree(estimate):
        return f"{estimate.value:.{digits}f}" + (" in all" if _all_agree(estimate) else "")
    until = " to " if estimate.low < 0 else "-"  # a dash would look like another sign
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f}{until}{estimate.high:.{digits}f})"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the scores of every setting, the probabilities of improvement, and what a reader has to know."""
    for setting in comparison.settings:
        title = comparison.task if setting == AS_TRAINED else setting
        console.print(as_table(score_rows(comparison, setting), title))
    if better := improvement_rows(comparison):
        console.print(as_table(better, "probability of improvement"))
    for line in (LEGEND, *((BETTER.format(metric=comparison.metric),) if better else ()), *comparison.notes):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def as_table(rows: Rows, title: str) -> Table:
    """Return rows, the first of which is the heading, as a table for the terminal."""
    table = Table(title=escape(title), box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column(escape(rows[0][0]), overflow="fold")
    for cells in list(zip(*rows, strict=True))[1:]:
        # On a narrow terminal cells are broken between their words, never within them.
        longest = max(len(word) for cell in cells for word in cell.split())
        table.add_column(escape(cells[0]), justify="right", min_width=longest)
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    return table


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


def _all_agree(estimate: Estimate) -> bool:
    return len(estimate.by_run) > 1 and len(set(estimate.by_run)) == 1


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
