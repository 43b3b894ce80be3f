"""From what Hydra composed, or what a run folder holds, to a typed and checked configuration."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from math import inf, isfinite
from operator import attrgetter
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from engram.configs.keys import schema_keys
from engram.configs.messages import CannotRun, describe, suggest_key
from engram.configs.parts import CHOICES, PartConfig
from engram.configs.saved_file import read_saved
from engram.configs.schema import TrainConfig

LARGEST = 10**12
"""Of whole numbers: more steps than anyone takes."""
MAY_BE_INFINITE = ("ppo.max_grad_norm", "snapshots.every")
"""Where infinity means: no limit, never."""


def checked(composed: DictConfig) -> TrainConfig:
    """Turn a composed configuration into the dataclass, and refuse what no type can refuse.

    Raises:
        CannotRun: if a key was added that means nothing, or a number is out of range.
        OmegaConfBaseException: if a value is missing or of a wrong type.
    """
    config = OmegaConf.to_object(composed)
    if not isinstance(config, TrainConfig):
        raise CannotRun("this is not a configuration of a run: it lacks the keys that --help lists")
    for part, schemas in CHOICES.items():
        chosen = getattr(config, part)
        if type(chosen) is not schemas.get(chosen.name):
            raise CannotRun(f"{part}.name={chosen.name}: choose it by {part}=..., one of {', '.join(schemas)}")
    _refuse_strangers(config, "")
    for name, key in schema_keys(TrainConfig, {part: getattr(config, part).name for part in CHOICES}).items():
        value = attrgetter(name)(config)
        numbers = value if isinstance(value, list) else [value]
        # NaN is in no range.
        if key.bounds and not all(key.low <= number <= key.high for number in numbers if number is not None):
            raise CannotRun(f"{name}={value}: must be {describe(key.kind)}, {key.bounds} ({key.meaning})")
        if wrong := next((number for number in numbers if not _is_sane(name, number)), None):
            largest = f"at most {LARGEST:,}" if isinstance(wrong, int) else "a finite number"
            raise CannotRun(f"{name}={value}: must be {largest} ({key.meaning})")
    return config


def _is_sane(name: str, number: Any) -> bool:
    """Return whether something is no number, or one that can be counted with."""
    if isinstance(number, int):
        return abs(number) <= LARGEST
    return not isinstance(number, float) or isfinite(number) or (name in MAY_BE_INFINITE and number == inf)


def load(path: Path) -> TrainConfig:
    """Read the configuration that a run was made with.

    Args:
        path: a `config.yaml` as `train.py` saves it.

    Raises:
        CannotRun: if the file is not a configuration.
        OmegaConfBaseException, YAMLError: if it does not fit the schema, or is not YAML.
    """
    saved = read_saved(path)
    schema = OmegaConf.structured(TrainConfig)
    for part, schemas in CHOICES.items():
        name = OmegaConf.select(saved, f"{part}.name") if isinstance(saved, DictConfig) else None
        if name is None and part == "encoder" and isinstance(saved, DictConfig):
            name = "auto"  # as in runs that were made before it could be chosen
        if not isinstance(name, str) or name not in schemas:
            raise CannotRun(f"{path}: not the config of a run, for its {part}.name is none of {', '.join(schemas)}")
        schema[part] = schemas[name]
    merged = OmegaConf.merge(schema, saved)
    assert isinstance(merged, DictConfig)
    return checked(merged)


def _refuse_strangers(config: Any, prefix: str) -> None:
    """Refuse keys that `+key=value` has put beside those of the schema, and keys that `~key` has removed."""
    names = {item.name for item in fields(config)}
    for name, value in vars(config).items():
        if name not in names:
            raise CannotRun(f"{prefix}{name}: {suggest_key(prefix + name)}")
        if value == MISSING:
            raise CannotRun(f"{prefix}{name}: a value is needed, {prefix}{name}=...")
        if is_dataclass(value):
            if type(value) is PartConfig:
                raise CannotRun(f"{name}: choose one, {' or '.join(f'{name}={choice}' for choice in CHOICES[name])}")
            _refuse_strangers(value, f"{prefix}{name}.")
