"""Which run a file is of: model and results carry a digest of the configuration that they were made with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from engram.configs.saved_file import read_saved

MAY_CHANGE = ("total_timesteps",)
"""Keys that may be another when a run is resumed: it is the same run still."""


def run_digest(config: Path) -> str:
    """Return the digest of a run's `config.yaml`, whatever its layout and comments are.

    Raises:
        CannotRun, OSError, YAMLError: if it cannot be read.
    """
    saved = read_saved(config)
    content: Any = OmegaConf.to_container(saved) if isinstance(saved, DictConfig) else {}
    kept = {str(key): value for key, value in content.items() if key not in MAY_CHANGE}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
