"""The trained agent in examples/ is small, solves its task, and every command works on a copy of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engram.agents.evaluation.episodes import evaluate
from engram.cli.evaluate import main as evaluate_main
from engram.cli.report import main as report_main
from engram.evidence.runs.open import TEST_SEED, make_envs, open_run
from engram.evidence.runs.settings import trained_setting

AGENT = Path(__file__).parents[1] / "examples" / "agent"
LARGEST = 700_000  # bytes of the whole folder


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in a folder of its own, as the docs say."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(AGENT, "my_agent"))


def test_it_is_small_and_names_nothing_of_the_machine() -> None:
    files = [file for file in AGENT.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LARGEST
    assert {file.name for file in files} >= {"config.yaml", "versions.json", "metrics.csv", "layouts.txt", "best.zip"}
    for file in files:
        assert b"/home/" not in file.read_bytes()
        assert b"/tmp/" not in file.read_bytes()


def test_its_record_says_that_it_solves_the_task_by_its_memory() -> None:
    found = json.loads((AGENT / "evaluation.json").read_text())
    assert found["success"] == 1.0
    assert found["certificate"]["verdict"] == "needs its memory"
    assert found["git_commit"]
    assert found["git_dirty"] is False


def test_it_plays() -> None:
    _, config, model, checkpoint = open_run(AGENT, None, "cpu")
    assert checkpoint == "best"
    env = make_envs(config, trained_setting(config.env), "test", 6, TEST_SEED)
    assert evaluate(model, env, n_episodes=12).success.all()
    assert not evaluate(model, env, n_episodes=12, intervention="wiped").success.all()


def test_every_command_works_on_a_copy(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_main([str(copy), "--episodes", "10", "--certificate"]) == 0
    assert json.loads((copy / "evaluation.json").read_text())["success"] == 1.0
    assert evaluate_main([str(copy), "--explain", "3"]) == 0
    assert (copy / "explained" / "episode3.html").is_file()
    assert report_main([str(copy), "--out", "report"]) == 0
    assert "Engram-TMaze-v0" in Path("report", "report.html").read_text()
    assert "Traceback" not in capsys.readouterr().err
