"""How every command behaves on a terminal: one line for a mistake, results and messages kept apart."""

from engram.cli.terminal.console import stderr_console, stdout_console, warn_in_one_line
from engram.cli.terminal.parser import OneLineParser

__all__ = ["OneLineParser", "stderr_console", "stdout_console", "warn_in_one_line"]
