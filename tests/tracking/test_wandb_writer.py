"""Weights & Biases without an account, without a server, and not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from stable_baselines3.common.logger import Logger

from tracking import WandbWriter, open_wandb
from tracking.wandb_writer import Mode


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    wandb.teardown()


def opened(folder: Path, mode: Mode, said: list[str], timeout: float = 10.0) -> WandbWriter | None:
    folder.mkdir(exist_ok=True)
    return open_wandb(
        mode=mode,
        folder=folder,
        project="tests",
        entity=None,
        group="group",
        tags=["tag"],
        config={"ppo": {"gamma": 0.5}},
        timeout=timeout,
        say=said.append,
    )


def records(folder: Path) -> list[dict[str, Any]]:
    """Read an offline run back."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_offline_run_holds_config_rows_and_outcome(tmp_path: Path) -> None:
    said: list[str] = []
    writer = opened(tmp_path / "run", "auto", said)
    assert writer is not None
    (line,) = said
    assert "offline" in line
    assert "wandb sync" in line
    logger = Logger(None, [writer])
    for step in (64, 128):
        logger.record("train/loss", step / 256)
        logger.record("secret", 1, exclude="wandb")
        logger.dump(step)
    writer.summarise({"evaluation": {"success": 0.75}})
    logger.close()

    read = records(tmp_path / "run")
    (run,) = (record["run"] for record in read if record["type"] == "run")
    assert run["config"]["update"]["ppo"] == {"gamma": 0.5}
    assert (run["project"], run["run_group"], run["display_name"]) == ("tests", "group", "run")
    metrics = [record["metric"] for record in read if record["type"] == "metric"]
    assert any(metric.get("glob_name") == "*" and metric["step_metric"] == "global_step" for metric in metrics)
    rows = [record["history"]["item"] for record in read if record["type"] == "history"]
    assert [(row["global_step"], row["train/loss"]) for row in rows] == [(64, 0.25), (128, 0.5)]
    assert not any("secret" in row for row in rows)
    summary = [record["summary"].get("update", {}) for record in read if record["type"] == "summary"]
    assert any("0.75" in json.dumps(update) for update in summary)
    assert read[-1]["type"] == "exit"


def test_disabled_writes_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    assert opened(tmp_path / "run", "disabled", said) is None
    assert said == []
    assert list((tmp_path / "run").iterdir()) == []


def test_environment_decides_for_auto_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert opened(tmp_path / "run", "auto", []) is None
    writer = opened(tmp_path / "run", "offline", [])
    assert writer is not None
    writer.close()


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_server_that_does_not_answer_is_one_line_and_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    key = "0123456789" * 4  # shaped like a key, and none
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    if where == "environment":
        monkeypatch.setenv("WANDB_API_KEY", key)
    else:
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1\n  login user\n  password {key}\n")
        (tmp_path / "netrc").chmod(0o600)
    said: list[str] = []
    writer = opened(tmp_path / "run", "auto", said, timeout=1.0)
    assert writer is not None
    writer.write({"a": 1.0}, {"a": ()}, 3)
    writer.close()
    (line,) = said
    assert "\n" not in line
    assert "cannot be used" in line
    assert "offline" in line
    assert list((tmp_path / "run").glob("wandb/offline-run-*/*.wandb"))


def test_settings_that_are_wrong_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    said: list[str] = []
    assert opened(tmp_path / "run", "auto", said) is None
    (line,) = said
    assert "\n" not in line
    assert "bogus" in line
