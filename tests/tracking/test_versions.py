"""A run names the code that it was made with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engram.tracking import git_commit, versions


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_is_named_and_changes_are_noticed(tmp_path: Path) -> None:
    git(tmp_path, "init")
    file = tmp_path / "code.py"
    file.write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    assert git_commit(tmp_path) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "notes").write_text("not under version control")
    assert git_commit(tmp_path)[1] is False
    file.write_text("2\n")
    assert git_commit(tmp_path)[1] is True


def test_code_inside_somebody_elses_repository_has_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert git_commit(inside) == (None, None)
    assert git_commit(tmp_path / "nowhere") == (None, None)


def test_packages_are_named(tmp_path: Path) -> None:
    found = versions(tmp_path)
    assert found["torch"].startswith("2.")
    assert found["engram"] is not None
    assert found["git_commit"] is None
    assert "pytest" in found["command"] or "-c" in found["command"]


def test_a_module_is_named_as_it_is_started(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    for name in ("__main__", "other"):
        (package / f"{name}.py").write_text("from engram.tracking.commands import command_line; print(command_line())")
    for started in (["-m", "mine.other"], ["-m", "mine"], ["mine/other.py"]):
        command = [sys.executable, *started, "two words"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == f"python {' '.join(started)} 'two words'"
