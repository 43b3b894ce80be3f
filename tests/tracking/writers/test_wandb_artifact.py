"""Agents brought back from Weights & Biases, without a server."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engram.tracking.writers import wandb_artifact
from engram.tracking.writers.wandb_artifact import download, is_artifact


def test_a_name_says_what_it_is() -> None:
    assert is_artifact("wandb:team/engram/agent-1:best")
    assert not is_artifact("runs/wandb")


def test_it_becomes_a_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Api:
        def __init__(self, timeout: int) -> None:
            pass

        def artifact(self, path: str, type: str) -> Any:
            asked.append((path, type))
            return SimpleNamespace(download=lambda root: root)

    monkeypatch.setattr(wandb_artifact.wandb, "Api", Api)
    assert download("wandb:team/engram/agent-1:best", tmp_path) == tmp_path / "team-engram-agent-1-best"
    download("wandb:team/engram/agent-1", tmp_path)
    assert asked == [("team/engram/agent-1:best", "model"), ("team/engram/agent-1:latest", "model")]


@pytest.mark.parametrize("name", ["wandb:agent-1", "wandb:team/agent-1:best", "wandb:a/b/c/d"])
def test_a_name_that_is_none_is_answered_with_what_would_be_right(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ENTITY/PROJECT/NAME"):
        download(name, tmp_path)


def test_no_server_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(timeout: int) -> None:
        raise wandb_artifact.wandb.errors.CommError("no\nserver")

    monkeypatch.setattr(wandb_artifact.wandb, "Api", fails)
    with pytest.raises(ValueError, match=r"agent-1:best: cannot be downloaded \(no server\)"):
        download("wandb:team/engram/agent-1:best", tmp_path)
