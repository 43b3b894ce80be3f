"""The process of a job: no two of a job, and none that nobody watches."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from engram.cli.grid.record import Job
from engram.tracking.interrupt import SIGNALS

_BELONGS: list[tuple[Job, FileLock]] = []
"""The job of this process, if it has one, and its lock, which is given up where nothing refers to it."""
_RUNS_ALREADY = 75
"""The exit code for what may be tried again later (EX_TEMPFAIL)."""


def join(path: str) -> None:
    """Let this process be that of a job of a grid, and go on where it stands, if it has begun before.

    Args:
        path: of the record of the job.

    Raises:
        SystemExit: if it has a process already.
    """
    job = Job(Path(path))
    lock = job.lock
    try:
        lock.acquire()
    except Timeout:
        print(f"job {job.number}: it runs already", file=sys.stderr)
        raise SystemExit(_RUNS_ALREADY) from None
    _BELONGS.append((job, lock))
    if hasattr(signal, "pthread_sigmask"):  # Ray lets its processes hear nothing of Ctrl-C, and theirs inherit that
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for name in ("SIGUSR1", "SIGUSR2"):  # a scheduler sends them to all; whoever watches says when to stop
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_unwatched, daemon=True).start()
    run = job.run
    if run is not None:
        from engram.evidence.runs.user_modules import split_modules  # takes seconds

        modules = split_modules(sys.argv[1:])[1]
        sys.argv[1:] = [f"resume={run}", *(f"{part}.module={module}" for part, module in modules.items())]


def note_run(path: Path) -> None:
    """Note a new run folder in the record of the job, if this process is that of one."""
    for job, _ in _BELONGS:
        job.note_run(path)


def _end_unwatched() -> None:
    """Stop as by a signal once whoever watches is gone: it holds the other end of standard input."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
