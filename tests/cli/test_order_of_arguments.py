"""Words such as `memory.module=mine` are taken wherever they stand among the options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engram.cli import evaluate, export, report


@pytest.mark.parametrize(
    ("main", "option"),
    [
        (evaluate.main, ("--episodes", "3")),
        (report.main, ("--out", "page")),
        (export.main, ("--steps", "7")),
    ],
    ids=["evaluate", "report", "export"],
)
def test_a_word_may_stand_behind_an_option(
    main: Callable[[list[str]], int],
    option: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["nowhere", *option, "memory.module=json"]) == 2
    error = capsys.readouterr().err
    assert "nowhere" in error  # the run is missing, and nothing else is wrong
    assert "unrecognized" not in error
