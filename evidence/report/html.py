"""What the parts of a report are made of: tables, figures, and lines that say what is missing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from engram.evidence.runs.recorded_run import RecordedRun


class TaskRuns(NamedTuple):
    """The runs of one task, and where their figures go."""

    task: str
    agents: Mapping[str, Sequence[RecordedRun]]
    """Label -> runs."""
    folder: Path
    prefix: str
    """Of the names of files, where there are several tasks."""
    colors: Mapping[str, str]
    """Of the labels, the same in all figures."""
    command: str
    """That makes the report."""

    def file(self, name: str) -> Path:
        """Return where a file of this task is written."""
        return self.folder / f"{self.prefix}{name}"


def table(rows: Sequence[Sequence[str]], words: bool = False) -> str:
    """Return a table; the first row is its heading.

    Args:
        rows: cells as plain text, in which a line may end.
        words: whether they are sentences rather than numbers.
    """
    head, *body = ("".join(_cell(tag, cell) for cell in row) for tag, row in _tagged(rows))
    lines = "\n".join(f"<tr>{cells}</tr>" for cells in body)
    style = ' class="words"' if words else ""
    return f'<div class="wide"><table{style}>\n<tr>{head}</tr>\n{lines}\n</table></div>'


def figure(saved: tuple[Path, Path], caption: str, command: str) -> str:
    """Return a figure with its caption, as it was saved.

    Args:
        saved: PNG and SVG.
        caption: plain text.
        command: that made it.
    """
    png, svg = saved
    # As an image, not inline: parts of two SVG on one page must not be taken for each other by their names.
    content = base64.b64encode(svg.read_bytes()).decode()
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/svg+xml;base64,{content}">\n'
        f"<figcaption>{escape(caption)} Also as {escape(png.name)} and {escape(svg.name)}. "
        f"Made with <code>{escape(command)}</code></figcaption></figure>"
    )


def note(text: str) -> str:
    """Return a line of small print."""
    return f'<p class="note">{escape(text)}</p>'


def missing(reasons: Sequence[str]) -> str:
    """Return one line that says what is not there, empty if nothing is missing.

    Args:
        reasons: one for each run that lacks it; the first is told in full.
    """
    if not reasons:
        return ""
    others = len(reasons) - 1
    more = f" (and {others} more {'run' if others == 1 else 'runs'})" if others else ""
    return f'<p class="missing">{escape(reasons[0] + more)}</p>'


def folded(summary: str, content: str) -> str:
    """Return something that is shown on a click."""
    return f"<details><summary>{escape(summary)}</summary>\n{content}\n</details>"


def _cell(tag: str, text: str) -> str:
    number = ' class="n"' if text.lstrip("-")[:1].isdigit() else ""
    return f"<{tag}{number}>{escape(text).replace(chr(10), '<br>')}</{tag}>"


def _tagged(rows: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return [("td" if number else "th", row) for number, row in enumerate(rows)]
