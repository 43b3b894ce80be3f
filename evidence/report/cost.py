"""What a run has cost: wall time, speed, size and memory, as far as it was recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from engram.evidence.report.learning_curves import STEPS, read_metrics
from engram.tracking import RunFolder


class Cost(NamedTuple):
    """What one run has cost; None where it was not recorded."""

    steps: float | None
    """Environment steps."""
    seconds: float | None
    """Wall time of the training."""
    fps: float | None
    """Environment steps per second, over the whole training."""
    parameters: float | None
    """Numbers that are learned."""
    peak_memory: float | None
    """Peak memory, in MB."""


COLUMNS = {
    "steps": (STEPS,),
    "seconds": ("time/time_elapsed",),
    "fps": ("time/fps",),
    "parameters": ("time/parameters", "parameters"),
    "peak_memory": ("time/peak_memory_mb", "peak_memory_mb"),
}
"""Field -> the names under which `metrics.csv` or `versions.json` may have it; the last value counts."""


def read_cost(run: Path) -> Cost:
    """Read what a run has cost from its `metrics.csv` and `versions.json`, which may be missing."""
    try:
        rows: Sequence[Mapping[str, Any]] = read_metrics(run)
    except (ValueError, OSError):
        rows = []
    versions = _versions(RunFolder(run).versions)
    found = {field: _last([*([versions] if versions else []), *rows], names) for field, names in COLUMNS.items()}
    return Cost(**found)


def cost_row(costs: Sequence[Cost]) -> tuple[str, ...]:
    """Return the cells of a table, one for each field of `Cost`: the median of several runs, and their range."""
    shown = []
    for field in Cost._fields:
        values = [value for cost in costs if (value := getattr(cost, field)) is not None]
        write = _time if field == "seconds" else _count
        if not values:
            shown.append("-")
        elif write(min(values)) == write(max(values)):
            shown.append(write(values[0]))
        else:
            shown.append(f"{write(median(values))} ({write(min(values))} to {write(max(values))})")
    return tuple(shown)


def _last(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> float | None:
    for row in reversed(rows):
        for name in names:
            try:
                return float(row[name])
            except (KeyError, TypeError, ValueError):
                continue
    return None


def _versions(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _count(value: float) -> str:
    return f"{value:,.0f}"
