"""Modules of the user's own that a run names: they register its parts, so they come before its config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from engram.agents import ENCODERS
from engram.configs import CannotRun, add_choice
from engram.configs.parts import CHOICES
from engram.configs.saved_file import read_saved
from engram.envs.user_module import import_user_module
from engram.memory import CONTROLLERS, MEMORIES
from engram.memory.named_classes import NamedClasses

REGISTRIES: Mapping[str, NamedClasses[Any]] = {"memory": MEMORIES, "controller": CONTROLLERS, "encoder": ENCODERS}
PARTS = ("env", *REGISTRIES)
"""The parts of a configuration that may name a module."""


def split_modules(words: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Sort the words of a command line, such as `runs/room` and `memory.module=my_memories`.

    Returns:
        those that name no module, and part -> module.
    """
    others, modules = [], {}
    for word in words:
        if named := re.fullmatch(rf"\+*({'|'.join(PARTS)})\.module=(.+)", word):
            modules[named[1]] = named[2]
        else:
            others.append(word)
    return others, modules


def modules_of(path: Path) -> dict[str, str]:
    """Return part -> module as a run's `config.yaml` names them.

    Raises:
        CannotRun, OSError, YAMLError: if it cannot be read.
    """
    saved = read_saved(path)
    found = {part: OmegaConf.select(saved, f"{part}.module") for part in PARTS if isinstance(saved, DictConfig)}
    return {part: module for part, module in found.items() if isinstance(module, str)}


def import_modules(modules: Mapping[str, str]) -> None:
    """Import modules, by the parts that name them, and make what they have registered choices of the configuration.

    Raises:
        CannotRun: if one cannot be imported, or what it registers is no choice.
    """
    for part, module in modules.items():
        if module == "null":
            continue
        try:
            import_user_module(module)
        except ValueError as error:
            raise CannotRun(f"{part}.{error}") from error
    for part, registry in REGISTRIES.items():
        for name, cls in registry.items():
            if name not in CHOICES[part]:
                try:
                    add_choice(part, name, cls.__name__, registry.arguments(cls))
                except ValueError as error:
                    raise CannotRun(f"{part}={name}: {error}") from error
