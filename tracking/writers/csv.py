"""The record of a run: a CSV file that is complete up to the last row, however the run ends."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import Figure, HParam, Image, KVWriter, Video, filter_excluded_keys

from engram.tracking.atomic import naming, write_text

STEP = "global_step"
MEDIA = (Figure, HParam, Image, Video)


class MetricsFile(KVWriter):
    """Appends one row per dump of the logger, at once.

    The first column is `global_step`, the others are sorted. A key that was not there before gets a column of its own,
    empty in the rows above; the file is then replaced as a whole.

    Args:
        path: the file, which does not exist yet; it appears with the first row.
        until: of a training that goes on, the steps after which it does: the rows up to there are kept, later ones
            will be written again.
    """

    def __init__(self, path: Path, until: int | None = None) -> None:
        self.path = path
        self.columns: list[str] = []
        if until is not None:
            self.keep(until)

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        values = filter_excluded_keys(key_values, key_excluded, "csv")
        row = {STEP: step} | {key: value for key, value in values.items() if not isinstance(value, MEDIA)}
        if new := set(row) - set(self.columns):
            rows = self._rows()
            self.columns = [STEP, *sorted({*self.columns, *new} - {STEP})]
            write_text(
                self.path, _lines([dict(zip(self.columns, self.columns, strict=True)), *rows, row], self.columns)
            )
        else:
            with naming(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(_lines([row], self.columns))

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def keep(self, until: int) -> None:
        """Remove the rows that come after so many steps, and those at 0: of rollouts that have not been finished."""
        if not self.path.is_file():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            # A row that was being written when the training was killed has no end.
            whole = [line for line in file if line.endswith("\n")]
        reader = csv.DictReader(whole)
        self.columns = list(reader.fieldnames or ())
        kept = [row for row in reader if None not in row.values() and 0 < int(row[STEP]) <= until]
        write_text(self.path, _lines([dict(zip(self.columns, self.columns, strict=True)), *kept], self.columns))

    def _rows(self) -> list[dict[str, str]]:
        if not self.columns:
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def _lines(rows: list[Any], columns: list[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, restval="", lineterminator="\n").writerows(rows)
    return text.getvalue()
