"""From what Hydra composed, or what a run folder holds, to a typed and checked configuration."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from engram.configs.messages import CannotRun, describe, suggest_key
from engram.configs.schema import CHOICES, MemoryConfig, TrainConfig, schema_keys

ANY = float("inf")
RANGES: dict[str, tuple[float, float]] = {
    "total_timesteps": (1, ANY),
    "seed": (0, 2**31 - 1),
    "torch_threads": (1, ANY),
    "env.n_envs": (1, ANY),
    "env.random_actions": (0, 1),
    "env.chance": (0, 1),
    "eval.leakage_resets": (0, ANY),
    "eval.every": (1, ANY),
    "eval.episodes": (1, ANY),
    "eval.final_episodes": (0, ANY),
    "eval.n_envs": (1, ANY),
    "tracking.timeout": (1, ANY),
    "ppo.learning_rate": (0, 1),
    "ppo.learning_rate_final": (0, 1),
    "ppo.n_steps": (1, ANY),
    "ppo.batch_size": (1, ANY),
    "ppo.n_epochs": (1, ANY),
    "ppo.chunk_length": (1, ANY),
    "ppo.gamma": (0, 1),
    "ppo.gae_lambda": (0, 1),
    "ppo.clip_range": (0, 1),
    "ppo.clip_range_vf": (0, ANY),
    "ppo.ent_coef": (0, ANY),
    "ppo.ent_coef_final": (0, ANY),
    "ppo.vf_coef": (0, ANY),
    "ppo.max_grad_norm": (0, ANY),
    "ppo.target_kl": (0, ANY),
    "ppo.novelty_coef": (0, ANY),
    "ppo.novelty_fraction": (0, 1),
    "ppo.features_dim": (1, ANY),
}


def checked(composed: DictConfig) -> TrainConfig:
    """Turn a composed configuration into the dataclass, and refuse what no type can refuse.

    Raises:
        CannotRun: if a key was added that means nothing, or a number is out of range.
        OmegaConfBaseException: if a value is missing or of a wrong type.
    """
    config = OmegaConf.to_object(composed)
    if not isinstance(config, TrainConfig):
        raise CannotRun("this is not a configuration of a run: it lacks the keys that --help lists")
    _refuse_strangers(config, "")
    for key, (low, high) in RANGES.items():
        value: Any = config
        for name in key.split("."):
            value = getattr(value, name)
        if value is not None and not low <= value <= high:  # NaN is in no range
            bounds = f"at least {low}" if high == ANY else f"from {low} to {high}"
            known = schema_keys(TrainConfig)[key]
            raise CannotRun(f"{key}={value}: must be {describe(known.kind)}, {bounds} ({known.meaning})")
    if any(size < 1 for size in config.ppo.net_arch):
        raise CannotRun(f"ppo.net_arch={config.ppo.net_arch}: every layer must be at least 1 wide")
    return config


def load(path: Path) -> TrainConfig:
    """Read the configuration that a run was made with.

    Args:
        path: a `config.yaml` as `train.py` saves it.

    Raises:
        CannotRun: if the file is not a configuration.
        OmegaConfBaseException, YAMLError: if it does not fit the schema, or is not YAML.
    """
    saved = OmegaConf.load(path)
    schema = OmegaConf.structured(TrainConfig)
    for part, schemas in CHOICES.items():
        name = OmegaConf.select(saved, f"{part}.name") if isinstance(saved, DictConfig) else None
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
            if type(value) is MemoryConfig:
                raise CannotRun("memory: choose one, memory=episodic or memory=none")
            _refuse_strangers(value, f"{prefix}{name}.")
