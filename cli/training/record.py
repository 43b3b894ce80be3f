"""Where a run is recorded: its folder, and Weights & Biases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import OmegaConf

from engram.cli.grid.member import note_run
from engram.configs import CannotRun, TrainConfig
from engram.tracking import RunFolder, versions
from engram.tracking.atomic import write_json, write_text
from engram.tracking.versions import PACKAGES

if TYPE_CHECKING:
    from engram.tracking.writers.wandb import Mode, WandbWriter

WANDB_ID = "wandb_id"
"""Key of `versions.json`: by which id Weights & Biases knows the run, so that a training goes on in the same."""


def make_folder(config: TrainConfig, name: str, paths: dict[str, str]) -> RunFolder:
    """Make the run folder, and write the configuration and the versions to it.

    Args:
        config: what to train.
        name: what the run folder is called.
        paths: which implementations run, by operator (see `Core.paths`).
    """
    try:
        folder = RunFolder.create(Path(config.runs_dir), name, config.seed)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    note_run(folder.path)
    write_text(folder.config, OmegaConf.to_yaml(OmegaConf.structured(config)))
    write_json(folder.versions, {**_versions(), "paths": paths})
    return folder


def note_resumed(config: TrainConfig, folder: RunFolder, timesteps: int, paths: dict[str, str]) -> list[str]:
    """Write to the run folder that the training goes on, and with which code.

    Args:
        config: of the run, with what was changed.
        folder: of the run.
        timesteps: steps that were taken before.
        paths: which implementations run, by operator.

    Returns:
        lines on what makes it go on otherwise than it would have.
    """
    now: dict[str, Any] = {**_versions(), "paths": paths}
    about = _read(folder)
    earlier = about.get("resumed", [])
    if about and isinstance(earlier, list) and all(isinstance(each, dict) for each in earlier):
        before = [about, *earlier][-1]
        differing = [name for name in (*PACKAGES, "git_commit", "paths", "platform") if before.get(name) != now[name]]
    else:  # it was edited, or is of another program
        about, earlier, differing = {}, [], ["what it was made with, which cannot be read"]
    write_text(folder.config, OmegaConf.to_yaml(OmegaConf.structured(config)))
    write_json(folder.versions, {**about, "resumed": [*earlier, {"timesteps": timesteps, **now}]})
    for mark in (folder.failure, folder.traceback):
        mark.unlink(missing_ok=True)
    if not differing:
        return []
    return [f"warning: it may not go on bit for bit, for this is not the same: {', '.join(differing)} (versions.json)"]


def _versions() -> dict[str, Any]:
    return versions(Path(__file__).resolve().parents[2])


def open_writer(
    config: TrainConfig, folder: RunFolder, name: str, print_line: Callable[[str], None]
) -> WandbWriter | None:
    """Start Weights & Biases as the config asks for; a run that it knows already goes on there."""
    if config.tracking.mode.name == "disabled":
        return None
    from engram.tracking.writers.wandb import open_wandb  # not before, since it takes a second

    content = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    about = _read(folder)
    writer = open_wandb(
        mode=cast("Mode", config.tracking.mode.name),
        folder=folder.path,
        project=config.tracking.project,
        entity=config.tracking.entity,
        group=config.tracking.group,
        tags=config.tracking.tags,
        name=name,
        config=cast(dict[str, Any], content),
        timeout=config.tracking.timeout,
        print_line=print_line,
        run_id=_id_of(about),
    )
    if writer is not None and about.get(WANDB_ID) != writer.run.id:
        write_json(folder.versions, {**about, WANDB_ID: writer.run.id})
    return writer


def _id_of(about: dict[str, Any]) -> str | None:
    """Return by which id Weights & Biases knows a run, if it does: it becomes a part of paths and addresses."""
    found = about.get(WANDB_ID)
    return found if isinstance(found, str) and re.fullmatch(r"[\w-]{1,64}", found, re.ASCII) else None


def _read(folder: RunFolder) -> dict[str, Any]:
    """Return what `versions.json` says, nothing if it cannot be read."""
    try:
        about = json.loads(folder.versions.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}
