"""The command line of the training: Hydra, with its errors in one line and a help of our own."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from engram.agents.ranks import are_several, is_first
from engram.cli.help import help_text
from engram.configs.loading import checked
from engram.configs.messages import CONFIG_ERRORS, CannotRun, one_line
from engram.configs.schema import TrainConfig, register
from engram.configs.whole_numbers import whole
from engram.evidence.runs.user_modules import import_modules, split_modules
from engram.tracking.commands import program

_LAST_OF_FAILURES = 128
"""Exit codes above it are of signals."""
FLAGS = ("-m", "--multirun", "--config-dir", "-cd", "--cfg", "-c", "--info", "-i", "--package", "-p", "--resolve")


def run(task: Callable[[TrainConfig, str], None], arguments: Sequence[str]) -> int:
    """Compose what the arguments ask for and carry it out, once or for every point of a grid.

    Args:
        task: called with a configuration and with what the run is called: its experiment or env, memory, controller.
        arguments: without the name of the program.

    Returns:
        the exit code; 2 if something was asked for that cannot be done, which has been reported in one line.
    """
    # Hydra prints several lines and hides tracebacks otherwise.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register()
    record: Path | None = None
    started = finished = False
    failed: list[str] = []
    jobs = 0

    @hydra.main(config_path="pkg://engram.configs", config_name="train", version_base="1.3")
    def composed(config: DictConfig) -> None:
        nonlocal started, finished, jobs
        started, jobs = True, jobs + 1
        job = HydraConfig.get()
        try:
            task(checked(config), config.name or _name(config, job))
            finished = True
        except CONFIG_ERRORS as error:
            # An exception would make Hydra add lines of its own.
            code = _refuse(one_line(error))
            if job.mode != RunMode.MULTIRUN:
                raise SystemExit(code) from error
            failed.append(" ".join(job.overrides.task))
        except SystemExit as ended:
            is_signal = isinstance(ended.code, int) and ended.code > _LAST_OF_FAILURES
            if job.mode != RunMode.MULTIRUN or is_signal:  # which ends all
                raise
            failed.append(" ".join(job.overrides.task))
        except Exception:
            if job.mode != RunMode.MULTIRUN:
                raise
            traceback.print_exc()
            failed.append(" ".join(job.overrides.task))

    try:
        words = [word for word in arguments if not word.startswith("-")]
        import_modules(split_modules(words)[1])
        if "--help" in arguments or "-h" in arguments:
            print(help_text(words))
            return 0
        _check_flags(arguments)
        # argparse wants all overrides in one piece; what looks like one goes to the end.
        given = sorted(arguments, key=lambda word: "=" in word or word.startswith("~"))
        if {"-m", "--multirun"} & set(given) and not any(word.startswith("hydra.sweep.dir=") for word in given):
            runs_dir = [word.partition("=")[2] for word in given if word.startswith("runs_dir=")] or ["runs"]
            record = Path(runs_dir[-1]) / f"grid-{datetime.now():%Y%m%d-%H%M%S-%f}"
            given.append(f"hydra.sweep.dir={record}")
        sys.argv[1:] = [whole(word) for word in given]
        composed()
    except (*CONFIG_ERRORS, ValueError, OSError) as error:
        if started:
            raise
        _forget(record)
        return _refuse(one_line(error))
    if failed:
        if not finished:
            _forget(record)
        print(f"{program('train')}: {len(failed)} of {jobs} jobs failed:", *failed, sep="\n  ", file=sys.stderr)
        return 1
    return 0


def _refuse(message: str) -> int:
    if is_first():
        print(f"{program('train')}: {message}", file=sys.stderr)
    return 2


def _forget(record: Path | None) -> None:
    """Remove the record of a grid of which nothing can be run; Hydra writes it before it looks."""
    if record is not None:
        (record / "multirun.yaml").unlink(missing_ok=True)
        for folder in (record, record.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _check_flags(arguments: Sequence[str]) -> None:
    if are_several() and {"-m", "--multirun"} & set(arguments):
        raise CannotRun("-m: several processes train one run, and no grid; leave torchrun out, or -m")
    for word in arguments:
        if word.startswith("-") and word.partition("=")[0] not in FLAGS:
            raise CannotRun(f"{word}: no such option; write key=value, or one of {', '.join(('--help', *FLAGS))}")


def _name(config: DictConfig, job: HydraConf) -> str:
    choices = job.runtime.choices
    task = choices["env"] if choices["experiment"] == "default" else choices["experiment"]
    if any(word.startswith("env.id=") for word in job.overrides.task):
        task = str(config.env.id).rpartition(":")[2]
    if config.env.odometry:
        task += "-odometry"
    if not config.env.mission:
        task += "-mission-hidden"
    return f"{task}-{choices['memory']}-{choices['controller']}"
