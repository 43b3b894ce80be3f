"""What all tables share: cells with a number and its interval, and a table for the terminal."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from engram.evidence.statistics import Estimate

Rows = list[tuple[str, ...]]
"""Cells as plain text; the first row is the heading."""


def shown_rate(rate: float | None, low: float | None, high: float | None) -> str:
    """Return a rate with its interval, for a table; a dash if it is not known."""
    return "-" if rate is None else f"{rate:.1%} ({100 * (low or 0.0):.1f}-{100 * (high or 0.0):.1f})"


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


def _all_agree(estimate: Estimate) -> bool:
    return len(estimate.by_run) > 1 and len(set(estimate.by_run)) == 1
