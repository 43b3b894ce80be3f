"""The CSV holds every row at once, whatever keys come later."""

from __future__ import annotations

import csv
from pathlib import Path

from stable_baselines3.common.logger import Logger

from engram.tracking.writers import MetricsFile


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_row_is_on_disk_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    logger = Logger(None, [MetricsFile(path)])
    for step in (5, 7, 11):
        logger.record("b/x", step / 2)
        logger.dump(step)
        assert rows(path)[-1] == {"global_step": str(step), "b/x": str(step / 2)}
    assert len(rows(path)) == 3


def test_a_key_that_comes_later_gets_a_column(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    logger = Logger(None, [MetricsFile(path)])
    logger.record("m", 1)
    logger.dump(2)
    logger.record("a", 'comma, and "quote"\nand line')
    logger.dump(3)
    logger.record("m", 4)
    logger.dump(5)
    assert path.read_text().splitlines()[0] == "global_step,a,m"
    assert rows(path) == [
        {"global_step": "2", "a": "", "m": "1"},
        {"global_step": "3", "a": 'comma, and "quote"\nand line', "m": ""},
        {"global_step": "5", "a": "", "m": "4"},
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


def test_what_is_excluded_from_csv_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    logger = Logger(None, [MetricsFile(path)])
    logger.record("hidden", 1, exclude="csv")
    logger.record("shown", 2, exclude="tensorboard")
    logger.dump(3)
    assert rows(path) == [{"global_step": "3", "shown": "2"}]


def test_of_a_training_that_goes_on_the_rows_before_are_kept_and_later_ones_written_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    once = Logger(None, [MetricsFile(path)])
    for step in (5, 7, 11):
        once.record("b", step / 2)
        once.dump(step)
    whole = path.read_text()
    once.record("c", 1)
    once.dump(12)
    again = Logger(None, [MetricsFile(path, until=7)])
    assert [row["global_step"] for row in rows(path)] == ["5", "7"]
    again.record("b", 11 / 2)
    again.dump(11)
    assert [{key: row[key] for key in ("global_step", "b")} for row in rows(path)] == [
        dict(zip(("global_step", "b"), line.split(","), strict=True)) for line in whole.splitlines()[1:]
    ]


def test_a_row_that_was_being_written_when_the_training_was_killed_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    once = Logger(None, [MetricsFile(path)])
    for step in (5, 7):
        once.record("b", 0.25)
        once.dump(step)
    whole = path.read_text()
    for kept in range(1, len("1100,0.25\n")):
        path.write_text(whole + "1100,0.25\n"[:kept])
        MetricsFile(path, until=1100)
        assert path.read_text() == whole


def test_nothing_is_kept_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "metrics.csv", until=7)
    assert not (tmp_path / "metrics.csv").exists()
