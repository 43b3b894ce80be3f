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
