"""A grid from its command line to what has become of every job."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from engram.cli.grid.launch import Launched
from engram.cli.grid.record import GridRecord, Job
from engram.configs import CannotRun
from engram.tracking.commands import command, program
from engram.tracking.interrupt import HANG_UP, SIGNALS

MULTIRUN = ("-m", "--multirun")
RESUME = "resume="
LAUNCHER = "hydra/launcher="
SWEEP_DIR = "hydra.sweep.dir="
_PLUGINS = {  # launcher -> module, and the extra that installs it
    "cores": ("hydra_joblib_launcher", "launchers"),
    "slurm": ("hydra_submitit_launcher", "launchers"),
    "slurm_here": ("hydra_submitit_launcher", "launchers"),
    "ray_cluster": ("hydra_ray_launcher", "ray"),
}
_HARMLESS = {f"hydra.launcher.{name}" for name in ("n_jobs", "timeout_min", "mem_gb", "cpus_per_task", "partition")}
"""Settings of launchers that are taken from a file."""
_REFUSED = 2
"""The exit code where something was asked for that cannot be done."""
_PATIENCE = 120.0
"""Seconds to wait for jobs that save what they have, when a launcher does not."""


def asks_for_grid(arguments: Sequence[str]) -> bool:
    """Return whether a command line is that of a grid: a new one, or one that there is."""
    resumed = [word.removeprefix(RESUME) for word in arguments if word.startswith(RESUME)]
    return bool({*MULTIRUN} & {*arguments}) or any(GridRecord(Path(folder)).file.is_file() for folder in resumed)


def recorded(arguments: Sequence[str]) -> tuple[GridRecord, list[str]]:
    """Find out where a grid keeps its record, and what it is.

    Args:
        arguments: `-m` and what to do; or `resume=GRID`, and what may be another: how it is launched.

    Returns:
        its folder, and its command line.

    Raises:
        CannotRun: in one line, if there is no such grid, something is given that cannot be another, or a launcher is
            not installed.
    """
    resumed = [word.removeprefix(RESUME) for word in arguments if word.startswith(RESUME)]
    if not resumed:
        words = list(arguments)
        folders = [word.removeprefix(SWEEP_DIR) for word in words if word.startswith(SWEEP_DIR)]
        if any("${" in folder for folder in folders):
            raise CannotRun(f"{SWEEP_DIR}{folders[-1]}: must be a path, without ${{...}}")
        runs_dir = [word.removeprefix("runs_dir=") for word in words if word.startswith("runs_dir=")] or ["runs"]
        folder = Path(folders[-1] if folders else f"{runs_dir[-1]}/grid-{datetime.now():%Y%m%d-%H%M%S-%f}")
    else:
        given = [word for word in arguments if not word.startswith(RESUME) and word not in MULTIRUN]
        if len(resumed) > 1:
            raise CannotRun(f"{RESUME}: one grid at a time, and not {', '.join(resumed)}")
        folder = Path(resumed[0])
        try:
            before = GridRecord(folder).arguments
        except ValueError as error:
            raise CannotRun(f"{RESUME}{error}") from error
        for word in given:
            if not word.startswith((LAUNCHER, "hydra.launcher.")) and word not in before:
                raise CannotRun(f"{word}: belongs to the grid that goes on; what may be another is hydra/launcher")
        for word in before:
            if _can_run_code(word) and word not in given:
                raise CannotRun(f"{folder}/grid.json: it says {word}, which runs code: if you trust it, say it, too")
        keys = {word.partition("=")[0] for word in given}
        if "hydra/launcher" in keys:  # the settings of the one before mean nothing to it
            before = [word for word in before if not word.startswith("hydra.launcher.")]
        words = [word for word in before if word.partition("=")[0] not in keys] + given
    _check_launcher(words)
    kept = [word for word in words if not word.startswith(SWEEP_DIR)]
    return GridRecord(folder), kept


def run_grid(record: GridRecord, arguments: Sequence[str]) -> int:
    """Carry out every job of a grid that is not finished.

    Args:
        record: where it is recorded.
        arguments: its command line, options first.

    Returns:
        the exit code: 0 if all jobs are finished, 1 if some are not, 128 and the signal that has stopped it.
    """
    before = record.jobs()
    if before:
        common = set.intersection(*({*job.words} for job in before))
        for job in before:
            own = " ".join(word for word in job.words if word not in common)
            print(f"job {job.number}{own and f' ({own})'}: {_plan(job)}")
        print("all others begin", flush=True)
    is_new = not record.file.exists()
    record.begin(arguments)
    flags = [word for word in arguments if word not in MULTIRUN and (word.startswith("-") or not _is_override(word))]
    launched = Launched(record.path.resolve(), tuple(flags), sys.argv[0], os.getcwd(), os.getpid())
    sys.argv[1:] = [*arguments, f"{SWEEP_DIR}{record.path}"]
    # What lies beside the script is found by its jobs, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")  # which aborts on SIGTERM with a dump
    stopped: list[int] = []
    try:
        with _stopping(record, stopped):
            launched.sweep()
    except BaseException as error:
        if not record.jobs():
            if is_new:
                _forget(record)
            raise
        if isinstance(error, SystemExit):  # Ray takes SIGTERM for itself, and nobody else exits
            stopped.append(signal.SIGTERM)
        if record.stop is None:
            record.ask_to_stop(signal.SIGTERM)
        _await_end(record)
        if not stopped:
            raise
    return _told(record, stopped)


def _told(record: GridRecord, stopped: Sequence[int]) -> int:
    jobs = record.jobs()
    failed = [job for job in jobs if job.code not in (0, None) and not stopped]
    if failed:
        lines = [f"{' '.join(job.words)}{_output(job)}" for job in failed]
        print(f"{program('train')}: {len(failed)} of {len(jobs)} jobs failed:", *lines, sep="\n  ", file=sys.stderr)
        if all(job.code == _REFUSED for job in jobs):
            _forget(record)
            return 1
    unfinished = [job for job in jobs if job.code != 0]
    if stopped or unfinished:
        print(f"to go on: {command('train')} {RESUME}{record.path}", file=sys.stderr)
    return 128 + stopped[0] if stopped else int(bool(unfinished))


def _plan(job: Job) -> str:
    if job.code == 0:
        return "is finished"
    if job.is_running:
        return "runs already"
    return "begins anew" if job.run is None else f"goes on in {job.run}"


def _output(job: Job) -> str:
    return f" ({job.output})" if job.output.is_file() else ""


@contextmanager
def _stopping(record: GridRecord, stopped: list[int]) -> Iterator[None]:
    """Hand a first signal on to all jobs, and let a second interrupt; `stopped` is where it is noted."""

    def ask(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        record.ask_to_stop(stopped[0])
        if len(stopped) > 1:
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if not (number == HANG_UP and handler == signal.SIG_IGN):  # as under nohup
            signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await_end(record: GridRecord) -> None:
    """Wait until no job lives, for a while: a launcher that ends ends them by force."""
    until = time.monotonic() + _PATIENCE
    while any(job.is_running for job in record.jobs()) and time.monotonic() < until:
        time.sleep(0.2)


def _check_launcher(words: Sequence[str]) -> None:
    for word in words:
        plugin, extra = _PLUGINS.get(word.removeprefix(LAUNCHER), ("", "")) if word.startswith(LAUNCHER) else ("", "")
        if plugin and not _is_installed(f"hydra_plugins.{plugin}"):
            raise CannotRun(f"{word}: it comes with an extra: pip install -e '.[{extra}]'")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _can_run_code(word: str) -> bool:
    """Return whether a word names a module, a folder of configurations, a class that Hydra makes, or looks one up."""
    key = word.partition("=")[0].lstrip("+~")
    names = key.endswith(".module") or (key == "env.id" and ":" in word)
    sets = key.startswith("hydra.") and key not in _HARMLESS
    is_option = word not in MULTIRUN and not _is_override(word)
    return names or sets or is_option or word.startswith("--config-dir") or "${" in word


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith("~")


def _forget(record: GridRecord) -> None:
    """Remove the record of a grid of which nothing can be run; Hydra writes to it before it looks."""
    names = ("grid.json", "multirun.yaml", "stop", "jobs/*.json", "jobs/*.lock", "jobs/*.txt")
    for file in [file for name in names for file in record.path.glob(name)]:
        file.unlink()
    for folder in (record.path / "jobs", record.path, record.path.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
