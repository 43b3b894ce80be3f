"""What a grid keeps of its jobs, a file each: whatever is killed, it is known which run is whose."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from engram.tracking import RunFolder
from engram.tracking.atomic import write_json, write_text

OF_JOB = "ENGRAM_GRID_JOB"
"""The environment variable that names the record of a job to its process."""


class Job(NamedTuple):
    """The record of a job: what it is, its run folder as soon as there is one, and how it ended."""

    file: Path

    @property
    def number(self) -> int:
        """Its place in the grid, from 0."""
        return int(self.file.stem)

    @property
    def output(self) -> Path:
        """What it prints, where several jobs run side by side."""
        return self.file.with_suffix(".txt")

    @property
    def lock(self) -> FileLock:
        """Held by the process of the job for as long as it lives, however it ends."""
        return FileLock(self.file.with_suffix(".lock"), timeout=0)

    @property
    def is_running(self) -> bool:
        """Whether a process of it lives, on whatever machine."""
        try:
            with self.lock:
                return False
        except Timeout:
            return True

    @property
    def words(self) -> list[str]:
        """Its command line; empty if it was never begun."""
        return list(self._read().get("words", []))

    @property
    def code(self) -> int | None:
        """The exit code with which it ended last; None if it has not."""
        return self._read().get("code")

    @property
    def run(self) -> Path | None:
        """Its run folder, if it has one from which it can go on."""
        noted = self._read().get("run")
        path = None if noted is None else Path(os.path.normpath(self.file.parent / noted))
        return path if path is not None and RunFolder(path).snapshots else None

    def note(self, **what: Any) -> None:
        """Add to the record, or change it."""
        write_json(self.file, {**self._read(), **what})

    def note_run(self, path: Path) -> None:
        """Note which run folder is that of the job; both may be moved together."""
        self.note(run=os.path.relpath(path.resolve(), self.file.parent.resolve()))

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text(encoding="utf-8"))) if self.file.is_file() else {}


class GridRecord(NamedTuple):
    """The folder of a grid."""

    path: Path

    @property
    def file(self) -> Path:
        """The command line of the grid."""
        return self.path / "grid.json"

    @property
    def arguments(self) -> list[str]:
        """The words of that command line.

        Raises:
            ValueError: if the file is not there, or says something else.
        """
        try:
            arguments = json.loads(self.file.read_text(encoding="utf-8"))["arguments"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path}: not the folder of a grid, for it has no grid.json") from error
        if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
            raise ValueError(f"{self.file}: 'arguments' must be a list of texts")
        return arguments

    @property
    def stop(self) -> int | None:
        """The signal by which all jobs are to end; None if there is none."""
        file = self.path / "stop"
        return int(file.read_text(encoding="utf-8")) if file.is_file() else None

    def begin(self, arguments: Sequence[str]) -> None:
        """Make the folder, and note what the grid is."""
        (self.path / "jobs").mkdir(parents=True, exist_ok=True)
        (self.path / "stop").unlink(missing_ok=True)
        write_json(self.file, {"arguments": list(arguments)})

    def ask_to_stop(self, number: int) -> None:
        """Let all jobs end as by a signal, wherever they run, and let none begin."""
        write_text(self.path / "stop", f"{number}\n")

    def job(self, number: int) -> Job:
        """Return the record of a job by its place in the grid."""
        return Job(self.path / "jobs" / f"{number}.json")

    def jobs(self) -> list[Job]:
        """List the jobs that were begun."""
        return sorted(map(Job, (self.path / "jobs").glob("*.json")), key=lambda job: job.number)
