"""The run folder: everything that a run leaves behind, under one path that no other run shares."""

from __future__ import annotations

import difflib
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engram.storage import Plain, write_archive
from engram.tracking.atomic import replacing

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm  # heavy, and only a type here

SNAPSHOTS = "snapshots"
"""The folder of the files from which a training goes on."""


class RunFolder(NamedTuple):
    """Where the files of a run are."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration, complete, as YAML."""
        return self.path / "config.yaml"

    @property
    def versions(self) -> Path:
        """Versions of what matters, the git commit and the command line."""
        return self.path / "versions.json"

    @property
    def metrics(self) -> Path:
        """One row per rollout: the record of the training."""
        return self.path / "metrics.csv"

    @property
    def layouts(self) -> Path:
        """Keys of the layouts that were trained on, one a line."""
        return self.path / "layouts.txt"

    @property
    def leakage(self) -> Path:
        """What the sides of the split were found to have in common, before the training."""
        return self.path / "leakage.json"

    @property
    def evaluation(self) -> Path:
        """What `evaluate.py` found last."""
        return self.path / "evaluation.json"

    @property
    def episodes(self) -> Path:
        """Every episode that `evaluate.py` played last, one a row."""
        return self.path / "episodes.csv"

    @property
    def certificate(self) -> Path:
        """The certificate of memory, as `evaluate.py --certificate` found it last."""
        return self.path / "certificate.json"

    @property
    def horizon(self) -> Path:
        """Success against delay, as `evaluate.py --horizon` found it last."""
        return self.path / "horizon.json"

    @property
    def film(self) -> Path:
        """An episode of the test side with the memory drawn in."""
        return self.path / "film.gif"

    @property
    def explained(self) -> Path:
        """The folder of the pages that `evaluate.py --explain` wrote."""
        return self.path / "explained"

    @property
    def failure(self) -> Path:
        """What ended a training that failed, and after how many steps."""
        return self.path / "failure.json"

    @property
    def traceback(self) -> Path:
        """The traceback of that."""
        return self.path / "failure.txt"

    def checkpoint(self, name: str) -> Path:
        """The weights called `best` (on the validation side) or `latest`."""
        return self.path / f"{name}.zip"

    def save_model(self, model: BaseAlgorithm, name: str) -> None:
        """Save a model as a checkpoint; an interrupted save leaves the one before."""
        with replacing(self.checkpoint(name)) as file:
            model.save(file)

    @property
    def failing(self) -> Path:
        """The step of the optimizer that would have spoiled the weights, with all that it was worked out from."""
        return self.path / "failing_step.zip"

    def save_failing(self, step: Plain) -> None:
        """Save such a step, see `agents.learning.failing`."""
        with replacing(self.failing) as file:
            write_archive(file, "step", step)

    @property
    def snapshots(self) -> list[Path]:
        """Files from which the training can go on, the latest first."""
        return sorted((self.path / SNAPSHOTS).glob("[0-9]*.zip"), reverse=True)

    def save_snapshot(self, timesteps: int, state: Plain, *, keep: int) -> None:
        """Save where the training stands, and remove all but the latest of these files.

        Args:
            timesteps: steps that were taken.
            state: all that is carried over a rollout.
            keep: how many are left.
        """
        path = self.path / SNAPSHOTS / f"{timesteps:015d}.zip"
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as file:
            write_archive(file, "snapshot", {"timesteps": timesteps, "state": state})
        for older in self.snapshots[keep:]:
            older.unlink(missing_ok=True)

    @classmethod
    def create(cls, runs_dir: Path, name: str, seed: int) -> RunFolder:
        """Make a new, empty run folder `<runs_dir>/<name>/seed<seed>-<date>-<time>`.

        Args:
            runs_dir: the folder of all runs; made if it is not there.
            name: what the runs of all seeds have in common; anything but letters, digits, `.`, `_` and `-` becomes `_`.
            seed: the seed.

        Raises:
            ValueError: if the folder cannot be made.
        """
        parent = runs_dir / re.sub(r"[^\w.-]+", "_", name)
        stem = f"seed{seed}-{datetime.now():%Y%m%d-%H%M%S}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for again in range(1, 1000):
                path = parent / (stem if again == 1 else f"{stem}-{again}")
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                return cls(path)
        except OSError as error:
            raise ValueError(f"runs_dir={runs_dir}: cannot make {parent} ({error.strerror})") from error
        raise ValueError(f"{parent / stem}: a thousand runs have this name already")

    def keep_previous(self, *files: Path) -> Path | None:
        """Copy earlier results into a folder of their own; new ones take their places once they are whole.

        Returns:
            that folder, or None if there were none.
        """
        there = [file for file in files if file.is_file()]
        if not there:
            return None
        made = datetime.fromtimestamp(there[0].stat().st_mtime)
        before = self.path / "earlier" / made.strftime("%Y%m%d-%H%M%S-%f")
        before.mkdir(parents=True, exist_ok=True)
        for file in there:
            shutil.copy2(file, before / file.name)
        return before

    @classmethod
    def open(cls, path: Path, *, without_model: bool = False) -> RunFolder:
        """Find the run folder of an earlier run.

        Args:
            path: of the folder.
            without_model: whether it will do without a model, as at the beginning of a training.

        Raises:
            ValueError: if there is no such folder, or it holds no config or no model.
        """
        folder = cls(path)
        if not path.is_dir():
            raise ValueError(f"{path}: there is no such run folder{closest(path)}")
        if not folder.config.is_file():
            raise ValueError(f"{path}: not a run folder, for it has no {folder.config.name}{_below(path)}")
        if not without_model and not any(folder.checkpoint(name).is_file() for name in ("best", "latest")):
            raise ValueError(f"{path}: the run has left no model (best.zip or latest.zip) to evaluate")
        return folder


def closest(path: Path) -> str:
    """Return a question for the run folder whose name is most like one that is not there, or nothing."""
    siblings = [other.name for other in path.parent.iterdir() if other.is_dir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def _below(path: Path) -> str:
    newest = max(path.glob("**/config.yaml"), key=lambda file: file.stat().st_mtime, default=None)
    return f"; did you mean {newest.parent}?" if newest is not None else ""
