"""What a part of the benchmark leaves: tables of measurements, and how they were made."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engram.tracking.atomic import write_text

ROOT = Path(__file__).parents[3]
PACKAGES = ("torch", "numpy", "gymnasium", "minigrid", "stable-baselines3", "sb3-contrib", "dnc")
WRITTEN = (":!benchmarks/results", ":!docs")
"""What the benchmark itself writes: a second run is of the same code all the same."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Made(_Model):
    """How and where something was measured."""

    command: str
    date: str
    """The day, YYYY-MM-DD."""
    commit: str
    changed: bool
    """Whether files of the code differed from the commit."""
    processor: str
    cores: int
    python: str
    packages: dict[str, str]
    """Name -> version, of those that are installed."""


class Row(_Model):
    """What was measured of one thing."""

    name: str
    cells: dict[str, list[float]]
    """Column -> one number for each round; a column may be left out."""
    note: str = ""


class Table(_Model):
    """Rows that were measured in one run, taking turns."""

    name: str
    title: str
    columns: dict[str, str]
    """Key -> heading, with the unit."""
    rows: list[Row]

    @model_validator(mode="after")
    def _only_known_columns(self) -> Table:
        for row in self.rows:
            for column, values in row.cells.items():
                if column not in self.columns or not values:
                    raise ValueError(f"table {self.name}, row {row.name}: {column} is no column, or has no number")
        return self

    def row(self, name: str) -> Row | None:
        """Return the row of this name, None if there is none."""
        return next((row for row in self.rows if row.name == name), None)

    def text(self) -> list[list[str]]:
        """Return headings and rows as text; columns without any number are left out."""
        shown = [key for key in self.columns if any(key in row.cells for row in self.rows)]
        notes = any(row.note for row in self.rows)
        lines = [["", *(self.columns[key] for key in shown), *([""] if notes else [])]]
        for row in self.rows:
            cells = [spread(row.cells.get(key, [])) for key in shown]
            lines.append([row.name, *cells, *([row.note] if notes else [])])
        return lines


class Result(_Model):
    """All that a part has measured."""

    part: str
    made: Made
    quick: bool
    """Whether it was a short look, with fewer rounds."""
    seconds: float
    """How long it took, by the clock."""
    tables: list[Table]
    missing: str = ""
    """Why it could not run; empty if it could."""

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read a file.

        Raises:
            ValueError: if it is no result.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise ValueError(f"{path}: not a result of a benchmark ({where}: {error.errors()[0]['msg']})") from error

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, self.model_dump_json(indent=1) + "\n")


def made_by(command: str) -> Made:
    """Describe this machine, the packages and the code as they are now."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Made(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        commit=_git("rev-parse", "--short=7", "HEAD") or "unknown",
        changed=bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN)),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        packages=versions,
    )


def spread(values: Sequence[float]) -> str:
    """Write measurements as their median and range: `1.52 (1.48-1.60)`; a single one as it is."""
    if not values:
        return ""
    middle, low, high = number(median(values)), number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low}-{high})"


def number(value: float) -> str:
    """Write a number with three digits, or whole if it is larger."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
