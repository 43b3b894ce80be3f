"""Which run a file is of: model and results carry a digest of the configuration that they were made with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from engram.configs.saved_file import read_saved

MAY_CHANGE = (
    "total_timesteps",
    "device",
    "torch_threads",
    "eval.certificate",
    "eval.film",
    "eval.final_episodes",
    "eval.horizon",
    "eval.stop_at",
    "eval.test_settings",
    "snapshots.every",
    "snapshots.keep",
    "snapshots.signal",
    "tracking.mode",
    "tracking.timeout",
)
"""Keys that may be another when a run is resumed: it is the same run still; all others make it what it is."""

OF_EVALUATIONS = ("env.chance", "env.test_settings")
"""Keys that no training looks at, and that may be written into a run afterwards."""


def run_digest(config: Path) -> str:
    """Return the digest of a run's `config.yaml`, whatever its layout and comments are.

    Raises:
        CannotRun, OSError, YAMLError: if it cannot be read.
    """
    saved = read_saved(config)
    content: Any = OmegaConf.to_container(saved) if isinstance(saved, DictConfig) else {}
    for key in (*MAY_CHANGE, *OF_EVALUATIONS):
        part, _, name = key.rpartition(".")
        holder = content.get(part) if part else content
        if isinstance(holder, dict):
            holder.pop(name, None)
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
