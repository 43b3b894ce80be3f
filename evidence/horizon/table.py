"""Horizon curves as tables: one run delay by delay, and several agents side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from engram.evidence.horizon.curve import Horizon, HorizonJson, from_training_range, middle_of
from engram.evidence.tables import Rows, shown_rate

LENGTH = (
    "Effective memory length: the delay at which success falls below the middle between chance and an oracle; "
    "interval: where the ends of the 95 % interval of success do."
)


def print_horizon(horizon: Horizon, console: Console) -> None:
    """Print the curve as a table, and the effective memory length."""
    low, high = horizon.trained
    table = Table(title=f"horizon (trained on delays of {low} to {high})", box=SIMPLE, title_justify="left")
    for name in ("delay", "success (95 % int.)", "memory wiped"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in horizon.points:
        wiped = shown_rate(point.wiped, point.wiped_low, point.wiped_high)
        table.add_row(f"{point.delay:,}", shown_rate(point.success, point.success_low, point.success_high), wiped)
    console.print(table)
    steps, interval = shown_length(horizon.as_json())
    said = f"Effective memory length: {steps} steps (95 % interval {interval})."
    if any((point.wiped_low or 0.0) > middle_of(horizon.chance) for point in horizon.points):
        said += " With the memory wiped it gets as far at some delays: there it is not the memory that bridges them."
    if horizon.chance is None:
        said += " Chance is not known and taken as 0; env.chance tells it."
    console.print(said, highlight=False, soft_wrap=True)


def horizon_rows(curves: Mapping[str, HorizonJson]) -> Rows:
    """Return the table of effective memory lengths: a heading, and a row for each agent.

    Args:
        curves: label -> curve, of one or several seeds.
    """
    longest = max(point[curve["by"]] for curve in curves.values() for point in curve["points"])
    rows: Rows = [("agent", "seeds", "effective length", "95 % interval", f"success at {longest:,}", "memory wiped")]
    for label, curve in curves.items():
        last: Mapping[str, Any] = next((point for point in curve["points"] if point[curve["by"]] == longest), {})
        names = (("success", "success_low", "success_high"), ("wiped", "wiped_low", "wiped_high"))
        rates = starmap(shown_rate, ([last.get(name) for name in three] for three in names))
        rows.append((label, str(len(curve.get("seeds", (0,)))), *shown_length(curve), *rates))
    return rows


def shown_length(curve: HorizonJson) -> tuple[str, str]:
    """Return the effective memory length of a curve and its interval, for a table."""
    delays = [point[curve["by"]] for point in from_training_range(curve["points"], curve["by"], curve.get("trained"))]

    def shown(steps: Any) -> str:
        return f"over {max(delays):,}" if steps is None else f"below {min(delays):,}" if steps == 0 else f"{steps:,}"

    ends = (curve.get("effective_low"), curve.get("effective_high"))
    return shown(curve.get("effective_length")), " to ".join(dict.fromkeys(map(shown, ends)))
