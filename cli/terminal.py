"""Where words go: results to standard output, everything else to standard error."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import NoReturn

from rich.console import Console


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong with the arguments without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def results() -> Console:
    """Return the console for what was asked for."""
    return Console(width=None if sys.stdout.isatty() else 120)


def remarks() -> Console:
    """Return the console for progress and remarks."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else 120)


def warn_in_one_line() -> None:
    """Print warnings as one line each, without the source line that raised them."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

    warnings.showwarning = show
