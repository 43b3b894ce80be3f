"""What a run folder has to say once the run is over: its configuration, its evaluation, its horizon."""

from __future__ import annotations

import glob
import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from engram.configs import CannotRun, one_line
from engram.configs.messages import CONFIG_ERRORS
from engram.configs.schema import EnvConfig, EvalConfig, PPOConfig
from engram.evidence.runs.horizon_format import problem_of
from engram.tracking import RunFolder
from engram.tracking.run_folder import closest

GRID = "multirun.yaml"
"""The record of a grid, which `train.py -m` leaves in a folder beside the runs."""
SCORE_KEYS = ("success", "success_low", "success_high", "mean_return", "episodes")
EVALUATION_KEYS = ("env", "chance", "memory", "controller", "checkpoint", "seed", "episodes")
SCORES = (("intact",), ("wiped",), ("sampled", "intact"))
"""Where in `evaluation.json` the scores are of the task as trained; `--intact-only` leaves out all but the first."""


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A run folder and the configuration that it was made with."""

    path: Path
    config: Mapping[str, Any]
    """Dotted key -> value, complete."""

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return int(self.config["seed"])

    @property
    def evaluate_command(self) -> str:
        """What one types to evaluate it."""
        return f"python evaluate.py {shlex.quote(str(self.path))}"


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
    try:
        # No check against the schema: a run of an earlier version can still be reported.
        config = OmegaConf.to_container(OmegaConf.merge(_defaults(), OmegaConf.load(file)))
    except CONFIG_ERRORS as error:
        raise CannotRun(f"{file}: {one_line(error)}") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise CannotRun(f"{file}: cannot be read ({' '.join(str(error).split())})") from error
    flat = _flat(config)
    for key in ("env.id", "memory.name", "controller.name", "seed"):
        if flat.get(key) is None:
            raise CannotRun(f"{file}: not the config of a run, for it has no {key}")
    return RecordedRun(path, flat)


def read_evaluation(run: RecordedRun) -> dict[str, Any]:
    """Return a run's `evaluation.json`, with every key that a comparison needs.

    Raises:
        CannotRun: if it is not there, cannot be read or lacks a key; the message has the command that makes it.
    """
    path = RunFolder(run.path).evaluation
    if not path.is_file():
        raise CannotRun(f"{run.path}: there is no {path.name}; make it with: {run.evaluate_command}")
    content = _json(path, run.evaluate_command)
    missing = [key for key in EVALUATION_KEYS if key not in content]
    for keys in SCORES:
        if keys[0] not in content and keys != SCORES[0]:
            continue
        place: Any = content
        for key in keys:
            place = place.get(key) if isinstance(place, dict) else None
        missing += [".".join(keys)] if not isinstance(place, dict) else []
        missing += [".".join((*keys, key)) for key in SCORE_KEYS if isinstance(place, dict) and key not in place]
        for key in SCORE_KEYS if isinstance(place, dict) else ():
            value = place.get(key)
            if value is not None and (not isinstance(value, int | float) or not math.isfinite(value)):
                at = ".".join((*keys, key))
                raise CannotRun(f"{path}: {at}={value!r:.40} is no number; make it anew with: {run.evaluate_command}")
    if missing:
        raise CannotRun(
            f"{path}: it lacks '{missing[0]}', as an older format does; make it anew with: {run.evaluate_command}"
        )
    return content


def read_certificate(run: RecordedRun) -> dict[str, Any] | None:
    """Return a run's certificate, the whole one if it was ever asked for, else the part that every evaluation has.

    Raises:
        CannotRun: if it cannot be read; the message has the command that makes it.
    """
    path, command = RunFolder(run.path).certificate, f"{run.evaluate_command} --certificate"
    found = _json(path, command) if path.is_file() else read_evaluation(run).get("certificate")
    if found is None:
        return None
    conditions = found.get("conditions") if isinstance(found, dict) else None
    if not isinstance(conditions, dict) or not all(isinstance(score, dict) for score in conditions.values()):
        raise CannotRun(f"{path}: there is no certificate in it; make it anew with: {command}")
    return dict(found)


def read_horizon(run: RecordedRun) -> dict[str, Any] | None:
    """Return a run's `horizon.json`, None if it has none.

    Raises:
        CannotRun: if it cannot be read, or is no horizon curve; the message names the key and what makes it anew.
    """
    path, command = RunFolder(run.path).horizon, f"{run.evaluate_command} --horizon"
    if not path.is_file():
        return None
    content = _json(path, command)
    if problem := problem_of(content):
        raise CannotRun(f"{path}: {problem}, so there is no horizon curve in it; make it anew with: {command}")
    return content


def _defaults() -> dict[str, Any]:
    """Return those keys of a configuration that a file may leave out."""
    parts = {"env": EnvConfig, "ppo": PPOConfig, "eval": EvalConfig}
    content = {name: OmegaConf.to_container(OmegaConf.structured(part)) for name, part in parts.items()}
    return {
        name: {key: value for key, value in part.items() if value != MISSING}
        for name, part in content.items()
        if isinstance(part, dict)
    }


def _runs_below(top: str) -> list[Path]:
    runs = []
    for folder, below, files in os.walk(top):
        if "config.yaml" in files:
            runs.append(Path(folder))
            below.clear()  # what Weights & Biases keeps in a run folder has a config.yaml, too
        below[:] = sorted(name for name in below if not name.startswith("."))
    return runs


def _json(path: Path, command: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path}: cannot be read ({error}); make it anew with: {command}") from error
    if not isinstance(content, dict):
        raise CannotRun(f"{path}: there is no mapping in it; make it anew with: {command}")
    return content


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {key: leaf for name, part in value.items() for key, leaf in _flat(part, f"{prefix}{name}.").items()}
    return {prefix[:-1]: value}
