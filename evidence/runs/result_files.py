"""What goes with every file of results: may it be written, where are the earlier ones, how was it made."""

import os
from pathlib import Path
from typing import Any

from rich.console import Console

from engram.configs import CannotRun
from engram.evidence.runs.files import MadeBy, read_file
from engram.evidence.tables import print_line
from engram.tracking import RunFolder, git_commit
from engram.tracking.commands import command_line


def print_where_kept(before: Path | None, console: Console) -> None:
    """Print where earlier results have gone, if there were any."""
    if before is not None:
        print_line(console, f"the results before are in {before}")


def check_writable(folder: RunFolder) -> None:
    """See, before anything is played, that results can be written.

    Raises:
        CannotRun: if they cannot.
    """
    if not os.access(folder.path, os.W_OK | os.X_OK):
        raise CannotRun(f"{folder.path}: nothing can be written there, and that is where the results go")


def what_made(path: Path) -> MadeBy:
    """Return what a JSON file was made by, as far as it can be read."""
    try:
        return read_file(path, MadeBy, "")
    except CannotRun:
        return MadeBy()


def made_by() -> dict[str, Any]:
    """Return the command line and the commit, for the record."""
    commit, dirty = git_commit(Path(__file__).resolve().parents[2])
    return {"command": command_line(), "git_commit": commit, "git_dirty": dirty}
