"""What a run folder holds once the run is over: its configuration, how far it came, its evaluation, its certificate."""

import csv
import glob
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from engram.configs import CannotRun, one_line
from engram.configs.messages import CONFIG_ERRORS
from engram.configs.parts import AutoEncoderConfig, PartConfig
from engram.configs.saved_file import read_saved
from engram.configs.schema import EnvConfig, EvalConfig, PPOConfig
from engram.evidence.runs.files import CertificateFile, EvaluationFile, read_file
from engram.tracking import RunFolder
from engram.tracking.commands import command
from engram.tracking.run_folder import closest

GRID = "multirun.yaml"
"""The record of a grid, which `train.py -m` leaves in a folder beside the runs."""
STEPS = "time/total_timesteps"
"""The column of `metrics.csv` with the steps of the training."""


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run folder and the configuration that it was made with."""

    path: Path
    config: Mapping[str, Any]
    """Dotted key -> value, complete."""
    steps: int | None = None
    """Steps of training that were taken; None if there is no record of them."""
    failed: bool = False
    """The training ended by an error."""
    held: bool = False
    """The training ended by itself, for the validation held `eval.stop_at`."""

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return int(self.config["seed"])

    @property
    def cut_short(self) -> str:
        """What there is of a training that failed, was stopped or goes on, "after 25,216 of 100,000 steps"; or ""."""
        asked = self.config.get("total_timesteps")
        if self.held or not isinstance(asked, int) or (not self.failed if self.steps is None else self.steps >= asked):
            return ""
        done = "?" if self.steps is None else f"{self.steps:,}"
        return f"{'failed ' if self.failed else ''}after {done} of {asked:,} steps"

    @property
    def evaluate_command(self) -> str:
        """What one types to evaluate it."""
        return f"{command('evaluate')} {shlex.quote(str(self.path))}"


def find_runs(names: Sequence[str | Path]) -> list[Path]:
    """Find run folders: those named, those that match a pattern, those below a folder.

    Args:
        names: run folders, folders of run folders, or patterns such as `runs/*/seed*`.

    Returns:
        each run folder once, in the order of the names.

    Raises:
        CannotRun: if there is none of a name.
    """
    found: dict[Path, Path] = {}
    for name in map(str, names):
        # A folder may have brackets in its name.
        matched = [name] if os.path.exists(name) else sorted(glob.glob(name, recursive=True))
        runs = [run for match in matched if os.path.isdir(match) for run in _runs_below(match)]
        if not matched:
            raise CannotRun(f"{name}: there is no such run folder{closest(Path(name))}")
        if not runs and not os.path.isfile(os.path.join(name, GRID)):
            raise CannotRun(f"{name}: no run folder (with a config.yaml) is there, or below it")
        for run in runs:
            found.setdefault(run.resolve(), run)
    if not found:
        raise CannotRun("no runs were named; name run folders, such as runs/*/seed*")
    return list(found.values())


def read_run(path: Path) -> RecordedRun:
    """Read the configuration of a run; keys that came later are filled in with their defaults.

    Raises:
        CannotRun: if the folder holds none.
    """
    file = RunFolder(path).config
    if not file.is_file():
        raise CannotRun(f"{path}: not a run folder, for it has no {file.name}")
    # No check against the schema: a run of an earlier version can still be reported.
    parts = {"env": EnvConfig, "ppo": PPOConfig, "eval": EvalConfig}
    parts |= {"memory": PartConfig, "controller": PartConfig, "encoder": AutoEncoderConfig}
    try:
        defaults = {name: OmegaConf.to_container(OmegaConf.structured(part)) for name, part in parts.items()}
        config = _flat(OmegaConf.to_container(OmegaConf.merge(defaults, read_saved(file))))
    except CONFIG_ERRORS as error:
        raise CannotRun(f"{file}: {one_line(error)}") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise CannotRun(f"{file}: cannot be read ({' '.join(str(error).split())})") from error
    for key in ("env.id", "memory.name", "controller.name", "seed"):
        if config.get(key) in (None, MISSING):
            raise CannotRun(f"{file}: not the config of a run, for it has no {key}")
    known = {key: value for key, value in config.items() if value != MISSING}
    return RecordedRun(path, known, *_how_far(RunFolder(path), known.get("eval.stop_at")))


def read_runs(paths: Sequence[Path]) -> tuple[list[RecordedRun], list[str]]:
    """Read runs; return also what is wrong with those that cannot be read.

    Raises:
        CannotRun: if none can be read.
    """
    runs, wrong = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except CannotRun as error:
            wrong.append(str(error))
    if not runs:
        raise CannotRun(wrong[0])
    return runs, wrong


def read_evaluation(run: RecordedRun) -> EvaluationFile:
    """Return a run's `evaluation.json`; raises as `read_file` does."""
    return read_file(RunFolder(run.path).evaluation, EvaluationFile, run.evaluate_command)


def read_certificate(run: RecordedRun) -> CertificateFile:
    """Return a run's certificate, the whole one if it was ever asked for, else the part that its evaluation has.

    Raises:
        CannotRun: if there is none, or it cannot be read; the message has the command that makes it.
    """
    path = RunFolder(run.path).certificate
    if not path.is_file():
        with suppress(CannotRun):
            evaluation = read_evaluation(run)
            if evaluation.certificate is not None:
                return CertificateFile(**{**dict(evaluation), **dict(evaluation.certificate)})
    return read_file(path, CertificateFile, f"{run.evaluate_command} --certificate")


def _how_far(folder: RunFolder, stop_at: float | None) -> tuple[int | None, bool, bool]:
    """Return the steps that a training has taken, None if nothing tells them, whether it failed, and whether it held.

    It has held a level, and ended by itself, if the last two validations reached it.
    """
    steps: list[int] = []
    scores: list[float] = []
    with suppress(OSError, ValueError, KeyError, TypeError):
        steps.append(int(json.loads(folder.failure.read_text(encoding="utf-8"))["timesteps"]))
    with suppress(OSError, ValueError, csv.Error), folder.metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            steps += [int(float(row[STEPS]))] if row.get(STEPS) else []
            score = row.get("eval/success_rate") or row.get("eval/mean_return")
            scores += [float(score)] if score else []
    failed, last = folder.failure.is_file(), scores[-2:]
    held = stop_at is not None and len(last) == 2 and min(last) >= stop_at and not failed
    return max(steps, default=None), failed, held


def _runs_below(top: str) -> list[Path]:
    runs = []
    for folder, below, files in os.walk(top):
        if "config.yaml" in files:
            runs.append(Path(folder))
            below.clear()  # what Weights & Biases keeps in a run folder has a config.yaml, too
        below[:] = sorted(name for name in below if not name.startswith("."))
    return runs


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {key: leaf for name, part in value.items() for key, leaf in _flat(part, f"{prefix}{name}.").items()}
    return {prefix[:-1]: value}
