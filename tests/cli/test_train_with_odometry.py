"""`env.odometry=true`: trained, evaluated and explained as any run, and every result says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from tiny_runs import TINY, composed

from engram.agents.evaluation.recording import record
from engram.cli import evaluate, report
from engram.cli.train import main, train
from engram.cli.training.prepare import training_envs
from engram.configs import CannotRun
from engram.envs import TensorVecEnv
from engram.envs.batched.grid import GridVecEnv
from engram.evidence.explanation.edits import replacements
from engram.evidence.runs.open import load_run
from engram.evidence.runs.settings import trained_setting

OF_AGENT = [word for word in TINY if not word.startswith(("env", "memory"))]
# The cue is in the first frame.
MAZE = ("env=maze_match", "+env.kwargs.max_steps=60", "env.n_envs=6", "env.odometry=true", *OF_AGENT)
EPISODIC = [word for word in TINY if word.startswith("memory")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    train(composed(*MAZE, *EPISODIC, f"runs_dir={runs}"), "odometry")
    (folder,) = (runs / "odometry").iterdir()
    return folder


def test_every_result_says_so(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "odometry: true" in (run / "config.yaml").read_text()
    assert evaluate.main([str(run), "--episodes", "5", "--no-test-settings"]) == 0
    assert "Engram-MazeMatch-S9-v0 with odometry" in capsys.readouterr().out
    evaluated = json.loads((run / "evaluation.json").read_text())
    assert (evaluated["env"], evaluated["odometry"]) == ("Engram-MazeMatch-S9-v0", True)
    assert report.main([str(run), "--out", str(tmp_path / "page")]) == 0
    assert "Engram-MazeMatch-S9-v0 with odometry" in (tmp_path / "page" / "report.html").read_text()


def test_an_episode_is_explained(run: Path) -> None:
    assert evaluate.main([str(run), "--explain", "2"]) == 0
    page = (run / "explained" / "episode2.html").read_text()
    for words in ("Engram-MazeMatch-S9-v0 with odometry, episode 2", "at the start, facing ahead", "the other cue"):
        assert words in page


def test_the_other_cue_is_seen_at_the_same_place(run: Path) -> None:
    model, env, _ = load_run(run, n_envs=1)
    recording = record(model.policy, env, 9)
    found = replacements(model.policy, recording, {})
    assert found[0] is not None
    assert found[0].source == "the other cue"
    seen, other = recording.steps[0].raw_observation, found[0].raw_observation
    assert not np.array_equal(seen["image"], other["image"])
    np.testing.assert_array_equal(seen["odometry"], other["odometry"])
    image, odometry = found[0].observation
    np.testing.assert_array_equal(image[0], other["image"])
    np.testing.assert_array_equal(odometry[0], other["odometry"])


def test_a_run_without_memory_has_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*MAZE, "memory=none", "eval.film=false", "total_timesteps=200", f"runs_dir={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["train.py", *words])
    assert main() == 0
    (folder,) = tmp_path.iterdir()
    assert folder.name == "maze_match-odometry-none-lstm"


def test_a_run_whose_mission_is_hidden_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["env=babyai", "env.id=BabyAI-GoToLocal-v0", "env.mission=false", "env.n_envs=6", *OF_AGENT]
    words += [*EPISODIC, "eval.film=false", "total_timesteps=200", f"runs_dir={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["train.py", *words])
    assert main() == 0
    (group,) = tmp_path.iterdir()
    assert group.name == "BabyAI-GoToLocal-v0-mission-hidden-episodic-lstm"
    (run,) = group.iterdir()
    assert evaluate.main([str(run), "--episodes", "5", "--no-test-settings"]) == 0
    assert "BabyAI-GoToLocal-v0, mission hidden" in capsys.readouterr().out
    assert json.loads((run / "evaluation.json").read_text())["mission"] is False


@pytest.mark.parametrize("on_device", [False, True])
def test_training_keeps_the_fast_envs(on_device: bool) -> None:
    config = composed("env=room", "env.odometry=true", *OF_AGENT, f"env.on_device={str(on_device).lower()}")
    env: Any = training_envs(config, trained_setting(config.env))
    assert isinstance(env, TensorVecEnv if on_device else GridVecEnv)
    assert isinstance(env.observation_space, spaces.Dict)
    assert set(env.observation_space) == {"image", "odometry"}


def test_an_env_without_steps_of_its_own_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CannotRun) as refused:
        train(composed(*TINY, "env.odometry=true", f"runs_dir={tmp_path}"), "refused")
    assert str(refused.value) == "env: Engram-TMaze-v0: odometry is for MiniGrid environments only"
    assert not list(tmp_path.iterdir())
