"""Where lines go: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
import warnings

from rich.console import Console


def stdout_console() -> Console:
    """Return the console for what was asked for."""
    return Console(width=None if sys.stdout.isatty() else 120)


def stderr_console() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else 120)


def warn_in_one_line() -> None:
    """Print warnings as one line each, without the source line that raised them."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

    warnings.showwarning = show
