"""A command goes by the name under which the user started it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from engram.tracking import commands


@pytest.mark.parametrize(
    ("started", "program", "command"),
    [
        ("train.py", "evaluate.py", "python evaluate.py"),
        ("/home/me/notebook.py", "evaluate.py", "python evaluate.py"),
        ("/home/me/.venv/bin/engram-train", "engram-evaluate", "engram-evaluate"),
        (r"engram-report.exe", "engram-evaluate", "engram-evaluate"),
    ],
)
def test_the_scripts_of_a_checkout_unless_an_installed_command_was_started(
    monkeypatch: pytest.MonkeyPatch, started: str, program: str, command: str
) -> None:
    monkeypatch.setattr("sys.argv", [started, "seed=1"])
    assert (commands.program("evaluate"), commands.command("evaluate")) == (program, command)


def test_without_a_checkout_only_installed_commands_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["notebook.py"])
    monkeypatch.setattr(commands, "_CHECKOUT", tmp_path)
    assert commands.command("evaluate") == "engram-evaluate"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train.py", "env.kwargs.delay=[1, 2]"], "python train.py 'env.kwargs.delay=[1, 2]'"),
        (["/home/me/.venv/bin/engram-train", "seed=1"], "engram-train seed=1"),
    ],
)
def test_the_command_line_is_what_a_user_types(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    assert commands.command_line() == line
