"""`python train.py replay=RUN`, after a training that a step has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_env import planted_env
from tiny_runs import TINY, copy_of_run

from engram.cli.train import main

GENEROUS = planted_env("reward = 1e30 if self.taken > 40 else 1.0")
TASK = ("env=gym", "env.id=Planted-v0", "env.module=generous_env", "env.split=false", "ppo.normalize_returns=false")


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["train.py", *words])
    try:
        return main()
    except SystemExit as ended:
        return int(str(ended.code))


def test_the_step_that_ended_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "generous_env.py").write_text(GENEROUS)
    monkeypatch.syspath_prepend(tmp_path)
    tiny = [word for word in TINY if not word.startswith(("env=", "env.kwargs"))]
    assert called(monkeypatch, *TASK, *tiny, f"runs_dir={tmp_path}") == 1
    said = capsys.readouterr().err.splitlines()
    assert "the first that is not finite: the loss value" in said[-3]
    (run,) = tmp_path.glob("*/seed*")
    assert said[-1] == f"to work that step out once more: python train.py replay={run}"
    assert called(monkeypatch, f"replay={run}", "env.module=generous_env") == 0
    assert capsys.readouterr().out == "the first that is not finite: the loss value [], 1 of 1\n"

    (run / "failing_step.zip").write_bytes((run / "failing_step.zip").read_bytes()[:-100])
    assert called(monkeypatch, f"replay={run}", "env.module=generous_env") == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["replay={run}"], "no step of it has failed"),
        (["replay={run}", "seed=1"], "one run folder and nothing else"),
        (["replay={run}/nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_replayed_is_a_line(
    words: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = copy_of_run(tmp_path / "run")
    capsys.readouterr()
    assert called(monkeypatch, *(word.format(run=run) for word in words)) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
