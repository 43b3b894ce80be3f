"""A clean stop on Ctrl-C (or a polite kill): training ends after the step that it is in."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback


class Stopped(Exception):
    """Raised inside a long piece of work when a stop was asked for."""


class StopRequest:
    """Notes that a stop was asked for, instead of raising wherever the program happens to be.

    As a context manager it stands in for the handlers of SIGINT and SIGTERM; a second signal raises KeyboardInterrupt,
    and so does a first one after `raise_at_once`.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """What a process that was stopped by this signal returns: 130 for Ctrl-C, 143 for a polite kill."""
        return 128 + (self.signal or signal.SIGINT)

    def check(self) -> None:
        """Raise `Stopped` if a stop was asked for."""
        if self.signal is not None:
            raise Stopped

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def raise_at_once(self) -> None:
        """From now on let a signal interrupt, as Ctrl-C does: nothing that is under way needs to be finished."""
        for number in self._before:
            signal.signal(number, self._interrupt)

    def release(self) -> None:
        """Give the signals back to whoever handled them before."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        print("stopping after this step (once more to stop at once) ...", file=sys.stderr, flush=True)


class StopOnRequest(BaseCallback):
    """Ends `learn` at the first step after a stop was asked for."""

    def __init__(self, request: StopRequest) -> None:
        super().__init__()
        self.request = request

    def _on_step(self) -> bool:
        return self.request.signal is None
