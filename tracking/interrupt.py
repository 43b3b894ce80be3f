"""A clean stop on Ctrl-C, SIGTERM or a lost terminal: what is under way is finished first."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

HANG_UP: int | None = getattr(signal, "SIGHUP", None)  # which not every system has
SIGNALS = tuple(number for number in (signal.SIGINT, signal.SIGTERM, HANG_UP) if number is not None)


class Stopped(Exception):
    """Raised inside a long piece of work when a stop was requested."""


class StopRequest:
    """Records that a stop was requested, instead of raising wherever the program happens to be.

    As a context manager it replaces the handlers of SIGINT, SIGTERM and SIGHUP; a second signal raises
    KeyboardInterrupt, and so does a first one after `raise_at_once`. Where SIGHUP is ignored, as under nohup, it stays
    so.

    Args:
        warning: a signal that asks for a stop, too, but leaves the time to finish a rollout; None if there is none.
    """

    def __init__(self, warning: int | None = None) -> None:
        self.warning = warning
        self.signal: int | None = None
        self.warned = False
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """The exit code of a process that this signal has stopped: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + (self.signal or signal.SIGINT)

    def check(self) -> None:
        """Raise `Stopped` if a stop was requested."""
        if self.signal is not None:
            raise Stopped

    def __enter__(self) -> StopRequest:
        for number in {*SIGNALS, *(() if self.warning is None else (self.warning,))}:
            if number == HANG_UP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.getsignal(number)
        self.finish_first()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def raise_at_once(self) -> None:
        """From now on let a signal interrupt, as Ctrl-C does: nothing that is under way needs to be finished.

        Raises:
            KeyboardInterrupt: if a stop was requested already.
        """
        self._let(self._interrupt)
        self.heed_warning()
        if self.signal is not None:
            raise KeyboardInterrupt

    def finish_first(self) -> None:
        """From now on record a first signal, as at the beginning."""
        self._let(self._record)
        if self.warning is not None and self.warning in self._before:
            signal.signal(self.warning, self._warn)

    def heed_warning(self) -> None:
        """Take a warning for a request, once what it leaves time for is finished."""
        if self.warned and self.signal is None:
            self.signal = self.warning

    def release(self) -> None:
        """Give the signals back to the handlers that they had before."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _let(self, handler: Callable[[int, FrameType | None], None]) -> None:
        for number in self._before:
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        raise KeyboardInterrupt

    def _warn(self, number: int, frame: FrameType | None) -> None:
        if not self.warned:
            self.warned = True
            _say(b"stopping after this rollout ...")
        elif number in SIGNALS:
            self._record(number, frame)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        _say(b"stopping after this step (once more to stop at once) ...")


def _say(line: bytes) -> None:
    with suppress(OSError):  # the terminal may be gone; and not by print, which may be what was interrupted
        os.write(2, line + b"\n")
