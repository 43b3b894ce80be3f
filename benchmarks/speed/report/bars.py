"""What is to be reached: one line for each figure, shown beside what was measured, also where it is missed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Bar(NamedTuple):
    """A limit of one cell of a table; exactly one of the two limits is given."""

    part: str
    table: str
    row: str
    column: str
    at_least: float | None = None
    at_most: float | None = None

    def met(self, values: Sequence[float]) -> bool:
        """Return whether the median is within the limit."""
        middle = median(values)
        return middle >= self.at_least if self.at_least is not None else middle <= (self.at_most or 0.0)

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


BARS = (
    Bar("training", "speed", "LSTM, no memory", "ratio", at_least=6),
    Bar("training", "speed", "episodic, 64 slots", "ratio", at_least=4),
    Bar("training", "speed", "DNC 32 × 32, 2 heads", "ratio", at_least=2.5),
    Bar("training", "speed", "fast weights", "ratio", at_least=3),
    Bar("training", "speed", "NTM", "ratio", at_least=2),
    Bar("training", "speed", "Transformer", "ratio", at_least=2),
    Bar("old_commit", "speed", "this code", "ratio", at_least=2.5),
    Bar("acting", "step", "episodic, 64 slots", "ratio", at_most=1.5),
    Bar("operations", "native", "lstm, episodic", "acting ratio", at_most=2),
    Bar("acting", "flat", "LSTM, episodic", "ratio", at_most=1.25),
    Bar("slots", "slots", "65,536 slots, sparse", "acting ratio", at_most=2),
    Bar("slots", "slots", "65,536 slots, sparse", "training ratio", at_most=3),
    Bar("peak_memory", "peak", "after two iterations", "gigabytes", at_most=1.5),
    Bar("memories", "learning", "ours: dnc", "ratio", at_least=5),
)


def bar_of(part: str, table: str, row: str, column: str) -> Bar | None:
    """Return the bar of a cell, None if it has none."""
    return next((bar for bar in BARS if bar[:4] == (part, table, row, column)), None)
