"""What an agent has cost: steps, wall time, speed, size and memory, as far as `metrics.csv` has it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from engram.evidence.report.blocks import Block, TaskRuns
from engram.evidence.report.learning_curves import read_curve
from engram.evidence.runs.recorded_run import STEPS
from engram.evidence.tables import Rows


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _count(value: float) -> str:
    return f"{value:,.0f}"


COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "steps": (STEPS, _count),
    "wall time": ("time/time_elapsed", _time),
    "steps per second": ("time/fps", _count),
    "parameters": ("time/parameters", _count),
    "peak memory (MB)": ("time/peak_memory_mb", _count),
}
"""Heading -> the metric, of which the last value counts, and how it is written."""


def cost_section(runs: TaskRuns) -> list[Block]:
    """Show what training has cost: the median over seeds and the range."""
    rows: Rows = [("agent", *COLUMNS)]
    rows += [(label, *cost_row([run.path for run in group])) for label, group in runs.agents.items()]
    note = "Median over seeds, and from the least to the most; - where it was not recorded."
    return [Block("table", rows), Block("note", note)]


def cost_row(runs: Sequence[Path]) -> tuple[str, ...]:
    """Return the cells of a table, one for each of `COLUMNS`: the median over runs, and their range."""
    shown = []
    for metric, write in COLUMNS.values():
        values = []
        for run in runs:
            with suppress(ValueError, OSError):
                values.append(float(read_curve(run, metric)[1][-1]))
        if not values:
            shown.append("-")
        elif write(min(values)) == write(max(values)):
            shown.append(write(values[0]))
        else:
            shown.append(f"{write(median(values))} ({write(min(values))} to {write(max(values))})")
    return tuple(shown)
