"""What goes with every file of results: may it be written, where are the earlier ones, how was it made."""

import os
from collections.abc import Iterable
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


def check_ours(files: Iterable[Path], mark: Path, *words: bytes) -> None:
    """See, before anything is made, that what will be written takes the place of nothing that another has written.

    Args:
        files: that will be written, or those of the folder that they go to.
        mark: the one by which ours are known, if any are there.
        words: that are in it.

    Raises:
        CannotRun: if a file is there, and the mark is not, or not ours.
    """
    there = next((file for file in files if file.exists()), None)
    if there is not None and not (mark.is_file() and all(word in mark.read_bytes() for word in words)):
        raise CannotRun(f"--out: {there} is there and was not written by this command; move it, or name another --out")


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
