"""The settings of an evaluation: the task as trained, and others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engram.configs.messages import CannotRun
from engram.configs.schema import EnvConfig, TrainConfig

AS_TRAINED = "as trained"


@dataclass(frozen=True)
class Condition:
    """Under which circumstances episodes are played."""

    setting: str = AS_TRAINED
    intervention: str = "intact"
    deterministic: bool = True


@dataclass(frozen=True, eq=False)
class Setting:
    """One env to evaluate in."""

    label: str
    env_id: str
    split: bool
    """Show layouts of the test side only; otherwise all of them, which suits settings that were not trained on."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    episodes: int | None = None


def task_name(env_id: str, odometry: bool = False, mission: bool = True) -> str:
    """Return what a task is called in results: the id of the env, and what its agents felt or were not shown."""
    return env_id + " with odometry" * odometry + ", mission hidden" * (not mission)


def trained_setting(env: EnvConfig) -> Setting:
    """Return the setting that was trained on."""
    return Setting(AS_TRAINED, env.id, env.split, env.kwargs)


def evaluated_settings(config: TrainConfig) -> list[Setting]:
    """Return the settings of the evaluation that ends a training."""
    others = settings_of_config(config.env) if config.eval.test_settings else []
    return [trained_setting(config.env), *others]


def settings_of_config(env: EnvConfig) -> list[Setting]:
    """Return the test settings of the config, without the one that was trained on."""
    return _others(env, [(other.id or env.id, other.kwargs, other.episodes) for other in env.test_settings.values()])


def settings_of_sizes(env: EnvConfig, sizes: Sequence[str]) -> list[Setting]:
    """Return the task in other sizes, such as `13` or `17Random`: the same id with another `S<size>`.

    Raises:
        CannotRun: if the id names no size.
    """
    pattern = r"S\d+(Random)?(?=-v\d+$)"
    if sizes and not re.search(pattern, env.id):
        raise CannotRun(f"--sizes: {env.id} has no size in its name (as MiniGrid-MemoryS9-v0 has)")
    return _others(env, [(re.sub(pattern, f"S{size}", env.id), {}, None) for size in sizes])


def settings_of_delays(env: EnvConfig, delays: Sequence[int], option: str = "--delays") -> list[Setting]:
    """Return the task with other delays, in steps between cue and choice.

    Raises:
        CannotRun: if a delay is not positive, or the task has none; the message names the option.
    """
    if delays and "delay" not in env.kwargs:
        raise CannotRun(f"{option}: {env.id} has no env.kwargs.delay to change; a T-Maze has (env=tmaze)")
    for delay in delays:
        if delay < 1:
            raise CannotRun(f"{option}: {delay} must be at least 1")
    return _others(env, [(env.id, {"delay": [delay, delay]}, None) for delay in delays])


def _others(env: EnvConfig, found: Sequence[tuple[str, Mapping[str, Any], int | None]]) -> list[Setting]:
    """Label settings, given as id, kwargs and episodes, by what differs from the one trained on; leave that one out."""
    settings = []
    for env_id, kwargs, episodes in found:
        differs = [re.sub(r"^(Engram|MiniGrid)-|-v\d+$", "", env_id)] if env_id != env.id else []
        for name, value in kwargs.items():
            if value != env.kwargs.get(name):
                same = isinstance(value, list) and len(set(map(str, value))) == 1
                differs.append(f"{name}={value[0] if same else value}")
        if differs:
            settings.append(Setting(" ".join(differs), env_id, False, {**env.kwargs, **kwargs}, episodes))
    return settings
