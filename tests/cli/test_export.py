"""The export script: a file beside the run, checked, and one line for what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_runs import copy_of_run

from engram.agents.export.agreement import Agreement
from engram.cli import export


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_run(tmp_path_factory.mktemp("export") / "run")


def test_the_file_lies_in_the_run_and_is_checked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(run), "--steps", "40"]) == 0
    written, checked = capsys.readouterr().out.splitlines()
    assert written == f"written to {run / 'policy.onnx'}"
    assert re.fullmatch(
        r"40 steps in onnxruntime: given torch's state 100.00% of the actions are torch's and nothing differs by more "
        r"than \d\.\de-0\d; with its own state 100.00% are",
        checked,
    )


def test_a_file_elsewhere_and_no_check(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "robot.onnx"
    assert export.main(["--out", str(path), str(run), "--batch-size", "3", "--steps", "0"]) == 0
    assert capsys.readouterr().out == f"written to {path}\n"


def test_a_file_of_something_else_is_left_alone_and_an_earlier_one_is_not(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "robot.onnx"
    assert [export.main([str(run), "--out", str(path), "--steps", "0"]) for _ in range(2)] == [0, 0]
    path.write_bytes(b"the only copy of a thesis")
    assert export.main([str(run), "--out", str(path)]) == 2
    assert f"{path} is there and was not written by this command" in capsys.readouterr().err
    assert path.read_bytes() == b"the only copy of a thesis"


def test_what_does_not_agree_is_an_error(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "export_onnx", lambda *_: None)
    monkeypatch.setattr(export, "agreement", lambda *_: Agreement(40, 0.975, 1e-7, 1.0))
    assert export.main([str(run)]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: there is no such run folder"),
        (["RUN", "--out", "nowhere/policy.onnx"], "nowhere/policy.onnx: cannot be written (No such file"),
        (["RUN", "--checkpoint", "latest", "memory.module=nowhere"], "memory.module='nowhere' cannot be imported"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    run: Path,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export.main([str(run) if word == "RUN" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("export.py: ")
    assert said in error
    assert error.count("\n") == 1, error


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["a", "b"], "name one run; these are 2"),
        (["a", "--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (["a", "--steps", "-1"], "--steps -1: must be at least 0"),
    ],
)
def test_the_argument_that_makes_no_sense_is_named(
    wrong: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        export.main(wrong)
    assert capsys.readouterr().err == f"export.py: {said}; see --help\n"
