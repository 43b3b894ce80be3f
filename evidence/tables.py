"""What all that is printed shares: cells with a number and its interval, tables, lines, bars, and tables as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from engram.evidence.statistics import Estimate

Rows = list[tuple[str, ...]]
"""Cells as plain text; the first row is the heading, an empty one a line between two parts."""


def as_percent(estimate: Estimate | None) -> str:
    """Write a rate as `97.5 % (94.3-98.9)`, and as `97.5 % (95.0, 100.0)` if it has seeds but no interval."""
    return as_number(estimate, 1, scale=100, unit=" %")


def as_number(estimate: Estimate | None, digits: int = 3, *, scale: float = 1, unit: str = "") -> str:
    """Write a number as `0.966 (0.951-0.970)`, and as `0.966 (0.950, 0.982)` if it has seeds but no interval."""
    if estimate is None:
        return "-"

    def shown(value: float) -> str:
        return f"{scale * value:.{digits}f}"

    behind = ""
    if estimate.low is not None and estimate.high is not None:
        until = " to " if estimate.low < 0 else "-"  # a dash would look like another sign
        behind = f" ({shown(estimate.low)}{until}{shown(estimate.high)})"
    elif len(estimate.by_run) > 1:
        behind = f" ({', '.join(map(shown, estimate.by_run))})"
    return f"{shown(estimate.value)}{unit}{behind}"


def as_table(rows: Rows, title: str, words: int = 1) -> Table:
    """Return rows as a table for the terminal; so many columns on the left are words, the others numbers."""
    table = Table(title=escape(title), box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    for number, cells in enumerate(zip(*filter(None, rows), strict=True)):
        # On a narrow terminal cells are broken between their words, never within them.
        longest = 0 if number == 0 else max((len(word) for cell in cells for word in cell.split()), default=0)
        justify: Any = "left" if number < words else "right"
        table.add_column(escape(cells[0]), justify=justify, min_width=longest, overflow="fold")
    for row in rows[1:]:
        if row:
            table.add_row(*map(escape, row))
        else:
            table.add_section()
    return table


def print_line(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def progress_bar(console: Console) -> Progress:
    """Return a bar that is gone when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a heading; what a row lacks or does not know is empty."""
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
