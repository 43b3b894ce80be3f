"""Choices of the user's own: the schema of a class follows from the arguments of its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, make_dataclass
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engram.configs.options import option
from engram.configs.parts import CHOICES, PartConfig


def add_choice(part: str, name: str, owner: str, arguments: Mapping[str, inspect.Parameter]) -> None:
    """Make a class a choice on the command line, `part=name`, with its arguments as keys.

    Args:
        part: "memory", "controller" or "encoder".
        name: of the choice.
        owner: name of the class, for the meaning of the keys.
        arguments: of its constructor, without those that the agent gives.

    Raises:
        ValueError: if an argument has the name of a key that every choice has.
    """
    common = [item.name for item in fields(PartConfig)]
    for key in common:
        if key in arguments:
            raise ValueError(f"{owner} has an argument '{key}', which is a key of every {part}; give it another name")
    keys = list(_keys(arguments.values(), f"argument of {owner}"))
    named = ("name", str, option("name of the class", name))
    schema = make_dataclass(f"{owner}Config", [named, *keys], bases=(PartConfig,))
    CHOICES[part][name] = schema
    for group in (part, f"schema/{part}"):  # the second for a YAML file of the user's own, beside it
        ConfigStore.instance().store(group=group, name=name, node=schema)


def _keys(arguments: Iterable[inspect.Parameter], meaning: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, type and field of each argument that can be written on a command line."""
    for argument in arguments:
        default = MISSING if argument.default is argument.empty else argument.default
        if isinstance(default, tuple):
            default = list(default)
        if default is not None and not isinstance(default, bool | int | float | str | list | dict | Enum):
            continue  # such as a class: the constructor's own default stays
        kind: Any = argument.annotation
        if kind is argument.empty:
            is_plain = isinstance(default, bool | int | float | str | Enum) and default != MISSING
            kind = type(default) if is_plain else Any
        made = option(meaning, default)
        yield argument.name, kind if _is_known(kind, made) else Any, made


def _is_known(kind: Any, made: Any) -> bool:
    """Tell whether OmegaConf can check a type; what it cannot, the constructor has to check."""
    try:
        OmegaConf.structured(make_dataclass("Tried", [("key", kind, made)]))
    except (OmegaConfBaseException, ValueError, TypeError):
        return False
    return True
