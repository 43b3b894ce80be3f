"""Closing envs: the last that is asked of them, and nothing that was done with them depends on it."""

from __future__ import annotations

import warnings
from typing import Protocol


class Closable(Protocol):
    """An env, or several."""

    def close(self) -> None:
        """Give back what is held."""


def close(env: Closable) -> None:
    """Close an env, or several; one that fails in it gets a warning, and what was done with it counts."""
    try:
        env.close()
    except (Exception, SystemExit, GeneratorExit) as error:  # of whatever kind: it is the env's
        message = " ".join(str(error).split())
        warnings.warn(f"env.close() failed: {type(error).__name__}{': ' if message else ''}{message}", stacklevel=2)
