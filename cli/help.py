"""What `--help` of the training prints: groups, choices and every key with its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from importlib import resources
from itertools import takewhile
from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from engram.configs.keys import schema_keys
from engram.configs.parts import CHOICES
from engram.configs.schema import GROUPS, TrainConfig
from engram.tracking.commands import command

USAGE = """\
Trains an agent with an external memory, and evaluates it on layouts that it has never seen.

  {train} [group=choice ...] [key=value ...]
  {train} env=tmaze memory=episodic ppo.learning_rate=3e-4 seed=1
  {train} -m memory=episodic,none seed=1,2,3        a grid: every combination, one after the other
  {train} memory.module=my_memories memory=mine     a memory of your own, from my_memories.py in this folder
  {train} --config-dir my_configs experiment=mine   YAML files of your own beside these
  {train} resume=RUN [total_timesteps=...]          go on with a training that was stopped, to the last bit
  {train} resume=runs/grid-...                      go on with a grid: what is finished is left alone
  {train} --help [group=choice ...]                 the keys and values of other choices
"""


def choices() -> dict[str, list[str]]:
    """List the choices of every group: the YAML files in the folder of its name, and classes of the user's own."""
    root = resources.files("engram.configs")
    return {
        group: sorted(
            {file.name.removesuffix(".yaml") for file in root.joinpath(group).iterdir()} | {*CHOICES.get(group, ())}
        )
        for group in GROUPS
    }


def about(group: str, choice: str) -> str:
    """Return what the comment at the head of a choice's YAML file says of it, in one line; "" if there is none."""
    file = resources.files("engram.configs").joinpath(group, f"{choice}.yaml")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    comment = takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.removeprefix("#").strip() for line in comment if not line.startswith("# @package"))


def help_text(overrides: Sequence[str] = ()) -> str:
    """Write the help for the configuration that these overrides compose.

    Args:
        overrides: what stands on the command line beside `--help`.

    Raises:
        HydraException, OmegaConfBaseException: if the overrides do not compose.
    """
    with initialize_config_module("engram.configs", version_base="1.3"):
        composed = compose("train", list(overrides), return_hydra_config=True)
    chosen = composed.hydra.runtime.choices
    lines = [USAGE.format(train=command("train")), "Groups (group=choice; * is chosen now)"]
    for group, names in choices().items():
        listed = "  ".join(f"{name}*" if name == chosen.get(group) else name for name in names)
        lines.append(f"  {group:<12}{listed}")
    said = [
        (f"{group}={chosen[group]}", about(group, str(chosen.get(group)))) for group in choices() if group in chosen
    ]
    lines += ["", "Chosen now", *(f"  {choice:<28} {text}" for choice, text in said if text)]
    lines += ["", "Keys (key=value; the values are those chosen now)"]
    rows = _rows(composed)
    width = max(len(assignment) for assignment, _ in rows if len(assignment) <= 44)
    for assignment, meaning in rows:
        lines.append(f"  {assignment:<{width}}  {meaning}")
    return "\n".join(lines)


def _rows(composed: DictConfig) -> list[tuple[str, str]]:
    rows = []
    chosen = {part: OmegaConf.select(composed, f"{part}.name") for part in CHOICES}
    for name, key in schema_keys(TrainConfig, chosen).items():
        parent, _, last = name.rpartition(".")
        owner = OmegaConf.select(composed, parent) if parent else composed
        if last in owner:
            bounds = f" ({key.bounds})" if key.bounds else ""
            rows.append((f"{name}={_written(owner, last)}", key.meaning + bounds))
    return rows


def _written(owner: DictConfig, name: str) -> str:
    value: Any = "???" if OmegaConf.is_missing(owner, name) else owner[name]
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
        if isinstance(value, dict):
            return "{" + ", ".join(str(key) for key in value) + "}"
        return str(value).replace("'", "").replace(" ", "")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return value.name if isinstance(value, Enum) else str(value)
