"""The page of all measurements, made of the result files and nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.report.bars import BARS, bar_of
from benchmarks.speed.report.figures import draw
from benchmarks.speed.report.parts import PARTS, Part
from benchmarks.speed.report.result import ROOT, Result, Table, spread
from engram.tracking.atomic import write_text

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "reference" / "speed.md"
FIGURES = ROOT / "docs" / "figures" / "speed"
COLUMNS = 120
HEAD = """# Speed

`make bench` measures everything on this page and writes it anew; `python -m benchmarks.speed --help` lists the parts,
each of which may be run alone. Every ratio is of things that were measured in the same run, taking turns, on one
thread, in CPU time, so that a busy machine disturbs little. A cell is the median of the rounds and, in parentheses,
their range. Bars that are missed stand here as well.
"""


def write_page(results: Path = RESULTS, page: Path = PAGE, figures: Path = FIGURES) -> None:
    """Write the page and its figures.

    Args:
        results: folder of the result files.
        page: the Markdown file.
        figures: folder of the figures.

    Raises:
        ValueError: if a file is no result.
    """
    found = read_results(results)
    for part in PARTS:
        if part.name in found:
            draw(found[part.name], figures / f"{part.name}.svg")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, markdown(found))


def read_results(folder: Path) -> dict[str, Result]:
    """Read the results of all parts that have some.

    Raises:
        ValueError: if a file is none.
    """
    files = {part.name: folder / f"{part.name}.json" for part in PARTS}
    return {name: Result.read(path) for name, path in files.items() if path.is_file()}


def markdown(results: dict[str, Result]) -> str:
    """Return the page."""
    parts = [HEAD, "## Bars\n", _bars(results)]
    for part in PARTS:
        parts += [f"## {part.title}\n", _filled(part.text) + "\n"]
        result = results.get(part.name)
        if result is None or result.missing:
            parts.append(f"*Missing: {result.missing if result else 'not measured yet'}.*\n")
        else:
            parts += _measured(part, result)
    return "\n".join(parts)


def _bars(results: dict[str, Result]) -> str:
    lines = ["| what | bar | measured | |", "|---|---|---|---|"]
    titles = {part.name: part.title for part in PARTS}
    for bar in BARS:
        values: list[float] = []
        heading = bar.column
        for table in results[bar.part].tables if bar.part in results else []:
            row = table.row(bar.row) if table.name == bar.table else None
            if row is not None:
                values, heading = row.cells.get(bar.column, []), table.columns[bar.column]
        verdict = ("met" if bar.met(values) else "missed") if values else "missing"
        lines.append(f"| {titles[bar.part]}: {bar.row}, {heading} | {bar} | {spread(values)} | {verdict} |")
    return "\n".join(lines) + "\n"


def _measured(part: Part, result: Result) -> Iterator[str]:
    if part.figure:
        yield f"![{part.figure}](../figures/speed/{part.name}.svg)\n"
    for table in result.tables:
        yield f"**{table.title}**\n"
        yield _table(part.name, table)
    yield _how(result)


def _table(part: str, table: Table) -> str:
    lines = table.text()
    bars = {
        row.name: bar
        for row in table.rows
        for column in row.cells
        if (bar := bar_of(part, table.name, row.name, column)) is not None
    }
    if bars:
        lines[0].append("bar")
        for line in lines[1:]:
            bar, row = bars.get(line[0]), table.row(line[0])
            assert row is not None
            line.append("" if bar is None else f"{bar}, {'met' if bar.met(row.cells[bar.column]) else 'missed'}")
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _how(result: Result) -> str:
    made = result.made
    packages = ", ".join(f"{name} {version}" for name, version in made.packages.items())
    changed = " with changes" if made.changed else ""
    quick = " A quick look, with few rounds." if result.quick else ""
    return (
        _filled(
            f"`{made.command}`, commit {made.commit}{changed}, {made.date}, {result.seconds:.0f} s. {made.processor}, "
            f"{made.cores} cores; Python {made.python}, {packages}.{quick}"
        )
        + "\n"
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, COLUMNS, break_on_hyphens=False, break_long_words=False)
