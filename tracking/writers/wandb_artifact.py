"""Agents kept in Weights & Biases, brought back as run folders."""

from __future__ import annotations

from pathlib import Path

import requests
import wandb

PREFIX = "wandb:"


def is_artifact(name: str) -> bool:
    """Return whether a name is that of an artifact, such as `wandb:team/engram/agent-1a2b3c4d:best`."""
    return name.startswith(PREFIX)


def download(name: str, into: Path) -> Path:
    """Download an agent's artifact, which holds its weights and its configuration.

    Args:
        name: see `is_artifact`; without a version the latest one.
        into: the folder in which a run folder is made.

    Returns:
        the run folder.

    Raises:
        ValueError: if there is no such artifact, or the server cannot be reached; in one line.
    """
    path = name.removeprefix(PREFIX)
    path = path if ":" in path else f"{path}:latest"
    if path.count("/") != 2:
        raise ValueError(f"{name}: an artifact is named {PREFIX}ENTITY/PROJECT/NAME:VERSION")
    try:
        artifact = wandb.Api(timeout=20).artifact(path, type="model")
        return Path(artifact.download(root=str(into / path.replace("/", "-").replace(":", "-"))))
    except (wandb.errors.Error, requests.RequestException, ValueError, OSError) as error:
        raise ValueError(f"{name}: cannot be downloaded ({' '.join(str(error).split())[:200]})") from error
