"""What is seen of the benchmark on a terminal: how far it is, and the tables."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from benchmarks.speed.report.result import Table
from engram.cli.terminal import stderr_console, stdout_console
from engram.evidence.tables import as_table


class SpeedProgress:
    """A bar over parts whose seconds are about known; where there is no terminal, a line for each part.

    The bar moves when it is told something. A thread that moved it would take CPU time from what is measured.

    Args:
        expected: part -> seconds.
    """

    def __init__(self, expected: dict[str, float]) -> None:
        self._expected = expected
        self._console = stderr_console()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[doing]}"),
        )
        shown = self._console.is_terminal
        self._bar = Progress(
            *columns, console=self._console, auto_refresh=False, transient=True, disable=not shown, expand=False
        )
        self._task = self._bar.add_task("", total=sum(expected.values()), doing="")
        self._done, self._part, self._began = 0.0, "", time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, part: str) -> None:
        """Show that a part begins."""
        self._part, self._began = part, time.monotonic()
        self.tell("")

    def tell(self, doing: str) -> None:
        """Show what is being measured."""
        within = min(self.seconds, self._expected[self._part])
        self._bar.update(self._task, completed=self._done + within, description=self._part, doing=doing, refresh=True)

    def end(self, line: str) -> None:
        """Show how a part has ended."""
        self._done += self._expected[self._part]
        self._console.print(f"{self._part}: {line}", highlight=False, markup=False, soft_wrap=True)

    @property
    def seconds(self) -> float:
        """How long the part has taken until now."""
        return time.monotonic() - self._began


def print_table(table: Table, where: str = "") -> None:
    """Print a table, and where it was measured."""
    title = f"{table.title} ({where})" if where else table.title
    stdout_console().print(as_table([tuple(line) for line in table.text()], title))
