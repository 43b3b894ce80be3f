"""An env that misbehaves in a way that is asked for, after so many steps of all its copies together."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

Step = tuple[Any, float, bool, bool, dict[str, Any]]


class Mute(Exception):
    """Has a message that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no message")


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


WAYS: dict[str, Callable[[], object]] = {
    "plain": lambda: None,
    "close": lambda: None,
    "error": raising(ZeroDivisionError("boom")),
    "empty": raising(Exception()),
    "disk": raising(OSError(errno.ENOSPC, "No space left on device", "/own/file")),
    "nameless": raising(OSError(errno.EIO, "Input/output error")),
    "denied": raising(PermissionError(errno.EACCES, "Permission denied", "/own/file")),
    "exit": sys.exit,
    "exit3": lambda: sys.exit(3),
    "exit130": lambda: sys.exit(130),
    "keyboard": raising(KeyboardInterrupt()),
    "generator": raising(GeneratorExit()),
    "letters": raising(RuntimeError("größer als \udcff")),
    "mute": raising(Mute()),
}


class Failing(gym.Env[Any, Any]):
    """Nine steps an episode; at a certain step it fails in one of `WAYS`."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Discrete(2)
    steps: ClassVar[int] = 0

    def __init__(self, kind: str = "plain", at: int = 300, success: Any = None) -> None:
        self.kind, self.at, self.success = kind, at, success

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        if self.at == 0:
            WAYS[self.kind]()
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Step:
        self.time += 1
        Failing.steps += 1
        if Failing.steps > self.at:
            WAYS[self.kind]()
        ended = self.time == 9
        return np.zeros(3, np.float32), float(action), ended, False, {"is_success": self.success} if ended else {}

    def close(self) -> None:
        if self.kind == "close":
            raise RuntimeError("cannot close")


gym.register("Failing-v0", entry_point=Failing)
