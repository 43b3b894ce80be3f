"""Cells, tables and files of tables."""

from __future__ import annotations

import io

from rich.console import Console

from engram.evidence.statistics import Estimate
from engram.evidence.tables import as_csv, as_number, as_percent, as_table


def shown(rows: list[tuple[str, ...]], words: int, width: int = 60) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(as_table(rows, "title", words))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_a_cell_has_an_interval_or_the_seeds_or_neither() -> None:
    assert as_percent(None) == as_number(None) == "-"
    assert as_percent(Estimate(0.975, 0.943, 0.9891, (0.975,), "episodes")) == "97.5 % (94.3-98.9)"
    assert as_percent(Estimate(0.5, None, None, (0.25, 0.75), None)) == "50.0 % (25.0, 75.0)"
    assert as_percent(Estimate(0.5, None, None, (0.5,), "episodes")) == "50.0 %"
    assert as_number(Estimate(0.5, 0.25, 1.0, (0.5,), "episodes")) == "0.500 (0.250-1.000)"
    assert as_number(Estimate(0.5, -0.25, 1.0, (0.5,), "episodes"), digits=1) == "0.5 (-0.2 to 1.0)"
    assert as_number(Estimate(0.5, 0.0, 1.0, (0.5,), "episodes"), digits=1) == "0.5 (0.0-1.0)"


def test_words_stand_on_the_left_and_numbers_on_the_right() -> None:
    rows = [("agent", "actions", "steps"), ("a", "greedy", "7"), (), ("longer", "sampled", "1,000")]
    title, _, head, _, first, line, last, *_ = shown(rows, words=2)
    assert title.strip() == "title"
    assert (head.index("actions"), first.index("greedy"), last.index("sampled")) == (head.index("actions"),) * 3
    assert len(head) == len(first) == len(last)  # the numbers end in the same column
    assert set(line.strip()) <= {"─"}
    numbers = shown([("delay", "success"), ("3", "1.0"), ("1,000", "0.5")], words=0)
    assert numbers[4].index("3") == numbers[5].index("1,000") + 4


def test_cells_are_broken_between_words_and_markup_is_text() -> None:
    lines = shown([("agent", "value"), ("an[b]agent[/b]", "97.5 % (94.3-98.9)")], words=1, width=30)
    assert any("(94.3-98.9)" in line for line in lines)
    assert any("an[b]agent" in line for line in lines)
    assert "…" not in "".join(lines)


def test_a_file_has_every_column_of_any_row() -> None:
    assert as_csv([{"a": 1, "b": None}, {"a": 2, "c": "x, y"}]) == 'a,b,c\n1,,\n2,,"x, y"\n'
