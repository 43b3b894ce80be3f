"""`python train.py replay=RUN`, after a training that a step has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import TINY, copy_of_run

from engram.cli.train import main

GENEROUS = """
import gymnasium as gym


class Generous(gym.Env):
    observation_space, action_space, taken = gym.spaces.Discrete(3), gym.spaces.Discrete(2), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        self.taken += 1
        return self.taken % 3, 1e30 if self.taken > 40 else 1.0, self.taken % 7 == 0, False, {}


gym.register("Generous-v0", Generous)
"""
TASK = ("env=gym", "env.id=Generous-v0", "env.module=generous_env", "env.split=false", "ppo.normalize_returns=false")


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
