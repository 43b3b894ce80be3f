"""What a section of the report is made of, and the runs that it is about."""

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engram.evidence.runs.groups import Found, read_each
from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.tables import Rows


class Block(NamedTuple):
    """A part of the page, for the macro of the template that has the same name as its kind."""

    kind: str
    content: Any


class TaskRuns(NamedTuple):
    """The runs of one task, and where their figures go."""

    agents: Mapping[str, Sequence[RecordedRun]]
    """Label -> runs."""
    folder: Path
    prefix: str
    """Of the names of files, where there are several tasks."""
    colors: Mapping[str, str]
    """Of the labels, the same in all figures."""

    @property
    def all(self) -> list[RecordedRun]:
        """All runs, agent by agent."""
        return [run for group in self.agents.values() for run in group]

    def file(self, name: str) -> Path:
        """Return where a file of this task is written."""
        return self.folder / f"{self.prefix}{name}"

    def read(
        self, read: Callable[..., Found], *arguments: str
    ) -> tuple[dict[str, dict[RecordedRun, Found]], list[str]]:
        """Read something of each run; return it by label and run, and what is wrong with the others.

        Args:
            read: what reads it, given a run and the arguments; it may raise CannotRun, ValueError or OSError.
        """
        return read_each(self.agents, lambda run: read(run, *arguments))


def each_run(
    found: Mapping[str, Mapping[RecordedRun, Found]],
    headings: Sequence[str],
    cells: Callable[[RecordedRun, Found], Sequence[str]],
    title: str = "each run",
) -> Block:
    """Return a table, folded away, with a row for each run: its agent, its seed, and the cells that a function makes.

    Args:
        found: label -> run -> what was read of it, as `TaskRuns.read` returns it.
        headings: of the cells.
        cells: makes them, given a run and what was read of it.
        title: what one unfolds.
    """
    rows: Rows = [("agent", "seed", *headings)]
    for label, group in found.items():
        rows += [(label, str(run.seed), *cells(run, its)) for run, its in group.items()]
    return Block("folded", (title, rows))


def figure(saved: tuple[Path, Path], caption: str) -> Block:
    """Return a figure, given its PNG and its SVG file."""
    png, svg = saved
    # As an image, not inline: parts of two SVG on one page must not be taken for each other by their names.
    content = base64.b64encode(svg.read_bytes()).decode()
    return Block("figure", {"svg": content, "caption": f"{caption} Also as {png.name} and {svg.name}."})
