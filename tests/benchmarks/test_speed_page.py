"""The page of speeds is what the result files give, and the bars are of cells that exist."""

from pathlib import Path

import pytest

from benchmarks.speed.report import page
from benchmarks.speed.report.bars import BARS, Bar, bar_of
from benchmarks.speed.report.figures import draw
from benchmarks.speed.report.parts import NAMES, PARTS
from benchmarks.speed.report.result import Made, Result, Row, Table, number, spread
from benchmarks.speed.session import Session, ratios

MADE = Made(
    command="python -m benchmarks.speed training",
    date="2026-03-04",
    commit="abcdef0",
    changed=False,
    processor="a processor",
    cores=2,
    python="3.11.7",
    packages={"torch": "2.9.0"},
)


def result(part="training", table="speed", missing="", **rows):
    listed = [Row(name=name, cells={"ratio": values}) for name, values in rows.items()]
    tables = [] if missing else [Table(name=table, title="A title", columns={"ratio": "times"}, rows=listed)]
    return Result(part=part, made=MADE, quick=False, seconds=12.3, tables=tables, missing=missing)


def test_the_page_in_the_docs_is_what_the_files_give():
    assert page.PAGE.read_text() == page.markdown(page.read_results(page.RESULTS))


def test_every_part_has_its_file_and_its_figure_and_there_are_no_others():
    found = page.read_results(page.RESULTS)
    assert {path.stem for path in page.RESULTS.glob("*")} == set(found) == set(NAMES)
    figures = {part.name for part in PARTS if part.figure and found[part.name].tables}
    assert {path.stem for path in page.FIGURES.glob("*")} == figures
    assert not any(result.quick for result in found.values())


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: f"{bar.part}-{bar.row}")
def test_a_bar_is_of_a_cell_that_exists(bar):
    assert (bar.at_least is None) != (bar.at_most is None)
    measured = page.read_results(page.RESULTS)[bar.part]
    if not measured.missing:
        table = next(table for table in measured.tables if table.name == bar.table)
        row = table.row(bar.row)
        assert row is not None, f"there is no row {bar.row}"
        assert row.cells[bar.column]


def test_figures_are_drawn_of_the_published_results(tmp_path):
    for name, measured in page.read_results(page.RESULTS).items():
        path = tmp_path / f"{name}.svg"
        drawn = draw(measured, path)
        assert drawn == path.is_file() == (page.FIGURES / path.name).is_file()
        if drawn:
            text = path.read_text()
            assert text.startswith("<?xml")
            assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_file_is_read_as_it_was_written_and_another_is_refused_in_one_line(tmp_path):
    path = tmp_path / "deeper" / "training.json"
    result(peer=[1.0, 2.0]).write(path)
    assert Result.read(path) == result(peer=[1.0, 2.0])
    path.write_text(path.read_text().replace('"seconds": 12.3', '"seconds": "long"'))
    with pytest.raises(ValueError, match=r"training\.json: not a result of a benchmark \(seconds: .*\)$"):
        Result.read(path)


@pytest.mark.parametrize("cells", [{"other": [1.0]}, {"ratio": []}])
def test_a_cell_has_a_column_and_a_number(cells):
    with pytest.raises(ValueError, match=r"row ours: (other|ratio) is no column, or has no number"):
        Table(name="speed", title="", columns={"ratio": "times"}, rows=[Row(name="ours", cells=cells)])


def test_a_part_that_could_not_run_is_shown_as_missing():
    text = page.markdown({"training": result(missing="sb3-contrib is not installed")})
    assert "*Missing: sb3-contrib is not installed.*" in text
    assert "*Missing: not measured yet.*" in text
    assert "| Training: NTM, ratio | ≥ 2 |  | missing |" in text


def test_bars_stand_beside_what_was_measured_also_where_they_are_missed():
    rows = {"NTM": [1.0, 1.9, 5.0], "Transformer": [2.0, 2.0, 0.1], "other": [3.0]}
    text = page.markdown({"training": result(**rows)})
    assert "| Training: NTM, times | ≥ 2 | 1.90 (1-5) | missed |" in text
    assert "| Transformer | 2 (0.100-2) | ≥ 2, met |" in text
    assert "| other | 3 |  |" in text
    assert "`python -m benchmarks.speed training`, commit abcdef0, 2026-03-04, 12 s." in text


def test_a_limit_is_kept_by_the_median():
    most = Bar("part", "table", "row", "column", at_most=1.5)
    assert most.met([9.0, 1.5, 1.0])
    assert not most.met([1.6, 1.6, 0.1])
    assert str(most) == "≤ 1.5"
    assert bar_of("training", "speed", "NTM", "ratio").at_least == 2
    assert bar_of("training", "speed", "NTM", "speed") is None


@pytest.mark.parametrize(
    ("value", "text"), [(0.98765, "0.988"), (9.8765, "9.88"), (98.765, "98.8"), (9876.5, "9,876"), (3.0, "3")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_a_spread_is_median_and_range():
    assert spread([3.11, 1.25, 2.22]) == "2.22 (1.25-3.11)"
    assert spread([2.22]) == "2.22"
    assert spread([]) == ""


def test_turns_are_taken_alternately_and_the_first_does_not_count():
    played, told = [], []
    cases = {name: lambda name=name: played.append(name) or len(played) for name in "ab"}
    found = Session(quick=False, tell=told.append).in_turns(cases, 2)
    assert played == ["a", "b"] * 3
    assert found == {"a": [3, 5], "b": [4, 6]}
    assert told[0] == "a: warming up"
    assert told[-1] == "b: round 2 of 2"
    assert ratios([6.0, 5.0], [2.0, 10.0]) == [3.0, 0.5]


def test_results_name_no_path_of_a_machine():
    for path in [*page.RESULTS.glob("*.json"), page.PAGE]:
        assert str(Path.home()) not in path.read_text()
        assert "/tmp" not in path.read_text()
