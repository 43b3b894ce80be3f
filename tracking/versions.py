"""Which code and which packages a run was made with."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engram.tracking.commands import command_line

PACKAGES = ("torch", "stable-baselines3", "gymnasium", "minigrid", "numpy", "hydra-core", "wandb")


def versions(source: Path) -> dict[str, Any]:
    """Collect the versions that a run depends on.

    Args:
        source: folder of the code; its git commit is named if it is the root of a repository.

    Returns:
        `engram`, `python`, `platform`, one entry per package, `git_commit` (or None), `git_dirty` (whether files under
        version control had changed, or None) and `command`.
    """
    commit, dirty = git_commit(source)
    return {
        "engram": _version("engram-rl"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: _version(package) for package in PACKAGES},
        "git_commit": commit,
        "git_dirty": dirty,
        "command": command_line(),
    }


def git_commit(source: Path) -> tuple[str | None, bool | None]:
    """Return the commit that `source` has checked out, and whether tracked files differ from it."""
    top = _git(source, "rev-parse", "--show-toplevel")
    # Installed code may lie inside somebody else's repository.
    if top is None or Path(top).resolve() != source.resolve():
        return None, None
    commit = _git(source, "rev-parse", "HEAD")
    status = _git(source, "status", "--porcelain", "--untracked-files=no")
    return commit, None if status is None or commit is None else bool(status)


def _git(source: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
