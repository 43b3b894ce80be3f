"""The commands from their first moment on: until a command takes signals for itself, one ends it at once, in a line."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType

from engram.cli.enduring import let_streams_endure

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # which not every system has


def train() -> int:
    """Train; return the exit code."""
    let_streams_endure()
    job = os.environ.pop("ENGRAM_GRID_JOB", None)
    if job is not None:
        _leave_on_signals()
        import_module("engram.cli.grid.member").join(job)
    return _start("train")


def evaluate() -> int:
    """Evaluate; return the exit code."""
    return _start("evaluate")


def report() -> int:
    """Write a report; return the exit code."""
    return _start("report")


def export() -> int:
    """Export an agent; return the exit code."""
    return _start("export")


def _start(name: str) -> int:
    _leave_on_signals()
    code: int = import_module(f"engram.cli.{name}").main()  # not before: it takes seconds
    sys.stdout.flush()  # a signal may still come, and then nobody does
    return code


def _leave_on_signals() -> None:
    for name in NAMES:
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # as under nohup
            continue
        signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process without a traceback, whatever it is about: nothing is under way that could be lost."""
    os.write(2, f"{os.path.basename(sys.argv[0])}: interrupted\n".encode())
    os._exit(128 + number)
