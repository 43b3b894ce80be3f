"""The figures of the page: transparent, in colors and grays that are read on light and on dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.speed.report.bars import bar_of
from benchmarks.speed.report.result import Result, Row, Table, number
from benchmarks.speed.subjects.watched import PIECES

INK = "#808080"  # about 4:1 against white and against the page's dark ground
COLORS = ("#4c8bd6", "#e0802f", "#3fa66b", "#c2558f", "#9473d1", "#a3823c", "#7f8c99")
STYLE = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "engram",
    "svg.fonttype": "path",
}
WIDTH, ROW_HEIGHT = 8.4, 0.34
FEW, SMALL = 12, 8


def draw(result: Result, path: Path) -> bool:
    """Draw the figure of a part as SVG; return whether it has one."""
    drawer = _DRAWERS.get(result.part)
    if drawer is None or not result.tables:
        return False
    style: Any = STYLE
    with mpl.rc_context(style):
        figure = drawer(result)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, metadata={"Date": None})
    # Matplotlib ends lines with spaces, which a commit would be warned of.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    return True


def _ratios(result: Result, tables: Sequence[str], column: str, label: str) -> Figure:
    """Draw a bar for the median of each row, a whisker for its range, and a tick where a bar is to be reached."""
    shown = [
        (table, row) for table in result.tables if table.name in tables for row in table.rows if column in row.cells
    ]
    figure, axes = _canvas(len(shown))
    for place, (table, row) in enumerate(shown):
        values = row.cells[column]
        middle = median(values)
        axes.barh(place, middle, color=COLORS[0], height=0.68)
        axes.plot([min(values), max(values)], [place, place], color=INK, linewidth=1.5)
        text, end = number(middle), max(values)
        if bar := bar_of(result.part, table.name, row.name, column):
            limit = bar.at_least if bar.at_least is not None else bar.at_most or 0.0
            axes.plot([limit, limit], [place - 0.45, place + 0.45], color=COLORS[1], linewidth=3)
            text, end = f"{text}, bar {bar}", max(end, limit)
        axes.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center")
    _name_rows(axes, [row.name for _, row in shown])
    axes.axvline(1, color=INK, linestyle=":", linewidth=1)
    axes.set_xlabel(label)
    axes.margins(x=0.16)
    return figure


def _profile(result: Result) -> Figure:
    """Draw the pieces of an iteration, stacked."""
    rows = result.tables[0].rows
    figure, axes = _canvas(len(rows) + 2)
    begins = [0.0] * len(rows)
    for color, piece in zip(COLORS, PIECES, strict=True):
        widths = [median(row.cells[piece]) for row in rows]
        axes.barh(range(len(rows)), widths, left=begins, color=color, height=0.68, label=piece)
        begins = [begin + width for begin, width in zip(begins, widths, strict=True)]
    _name_rows(axes, [row.name for row in rows])
    axes.set_xlabel("microseconds of CPU time per env step")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=10)
    return figure


def _operations(result: Result) -> Figure:
    """Draw the acting step and the learning pass side by side."""
    rows = result.tables[0].rows
    figure = Figure(figsize=(WIDTH, ROW_HEIGHT * len(rows) + 0.9), layout="constrained")
    panels = {"acting": "an acting step", "forward": "learning, forward", "backward": "learning, backward"}
    for axes, (key, title) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
        counts = [row.cells[key][0] for row in rows]
        places = axes.barh(range(len(rows)), counts, color=COLORS[0], height=0.68)
        axes.bar_label(places, [f"{count:,.0f}" for count in counts], padding=3)
        axes.set(title=title, xticks=[])
        axes.margins(x=0.35)
    _name_rows(axes, [row.name for row in rows])
    return figure


def _slots(result: Result) -> Figure:
    """Draw milliseconds over slots, both axes logarithmic."""
    table = result.tables[0]
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("acting", "training"), strict=True):
        for color, (name, rows) in zip(COLORS, _kinds(table).items(), strict=False):
            places = [_slots_of(row) for row in rows]
            middles = [median(row.cells[key]) for row in rows]
            axes.plot(places, middles, color=color, marker="o", label=name)
            for place, middle in zip(places, middles, strict=True):
                axes.annotate(number(middle), (place, middle), (-6, 5), textcoords="offset points", ha="right")
        axes.set(xscale="log", yscale="log", xlabel="slots", ylabel=table.columns[key])
        axes.xaxis.set_major_formatter(lambda place, _: f"{place:,.0f}")
        axes.yaxis.set_major_formatter(lambda middle, _: number(middle))
        axes.minorticks_off()
        axes.margins(0.15)
        axes.legend(frameon=False)
    return figure


def _kinds(table: Table) -> dict[str, list[Row]]:
    """Group the rows by what stands behind the number of slots: the way of reading."""
    found: dict[str, list[Row]] = {}
    for row in table.rows:
        found.setdefault(row.name.partition(" slots")[2].strip(", ") or "dense reads", []).append(row)
    return found


def _slots_of(row: Row) -> int:
    return int(row.name.partition(" ")[0].replace(",", ""))


def _canvas(rows: int) -> tuple[Figure, Axes]:
    height = ROW_HEIGHT if rows <= FEW else 0.62 * ROW_HEIGHT
    figure = Figure(figsize=(WIDTH, height * rows + 0.9), layout="constrained")
    return figure, figure.subplots()


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=SMALL if len(names) > FEW else None)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


_DRAWERS: dict[str, Callable[[Result], Figure]] = {
    "training": lambda result: _ratios(result, ["speed"], "ratio", "times RecurrentPPO"),
    "iteration": _profile,
    "operations": _operations,
    "acting": lambda result: _ratios(result, ["step"], "ratio", "times the LSTM alone"),
    "slots": _slots,
    "envs": lambda result: _ratios(result, ["symbols", "pixels"], "ratio", "times stock MiniGrid"),
    "chunks": lambda result: _ratios(result, ["ratio"], "ratio", "times the loop"),
}
