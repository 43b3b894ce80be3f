"""One line for everything that a user can get wrong in a configuration."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from engram.configs.keys import Key, schema_keys
from engram.configs.parts import CHOICES
from engram.configs.schema import GROUPS, TrainConfig


class CannotRun(Exception):
    """What was asked for cannot be done; the message is one line that names what would be right."""


RENAMED = {
    "env.harder": "env.test_settings",
    "eval.harder": "eval.test_settings",
    "env.actions": "env.useful_actions",
    "memory.normalise_interface": "memory.normalize_interface",
    "ppo.normalize_rewards": "ppo.normalize_returns",
}
"""Keys that had another name once, and that name now."""
REMOVED = {"env.reward_scale": "is gone; returns are in units of the largest one by themselves (ppo.normalize_returns)"}
"""Keys that there were once, and what there is instead."""

CONFIG_ERRORS = (CannotRun, HydraException, OmegaConfBaseException, yaml.YAMLError)
"""What composing a configuration raises when it is at fault."""


def one_line(error: BaseException) -> str:
    """Return one line on what is wrong with a configuration and what would be right.

    Args:
        error: one of `CONFIG_ERRORS`, or whatever else was raised while composing.
    """
    at_fault = next((e for e in _chain(error) if isinstance(e, OmegaConfBaseException)), None)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        own = f"; for one of your own, name its module: {group}.module=my_module" if group in CHOICES else ""
        return f"{group}={choice}: no such choice; {_suggest(choice, error.options)}{own}"
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        if value and not value.isascii():
            quoted = f"'{key}=\"{value}\"'"
            return f"cannot read '{error.override}'; with such letters a value needs quotes within quotes: {quoted}"
        return f"cannot read '{error.override}'; write group=choice, key=value or key=[value,value]"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}, line {mark.line + 1}: not valid YAML ({error.problem})"
    if at_fault is None:
        return _in_our_words(_flat(str(error)))
    found = re.match(r"In '([^']+)'", str(error))
    where = f"in {found.group(1)}.yaml: " if found else ""
    return where + _about_key(at_fault)


def suggest_key(key: str, owner: Any = None) -> str:
    """Return what may have been meant by a key that does not exist.

    Args:
        key: dotted.
        owner: the dataclass that lacks it; None to look at those of all choices.
    """
    if key in RENAMED:
        return f"is called {RENAMED[key]} now"
    if key in REMOVED:
        return REMOVED[key]
    group, _, last = key.rpartition(".")
    known = [*schema_keys(TrainConfig), *GROUPS]
    if chosen := _keys_of_choice(group, owner):
        known = [name for name in known if not name.startswith(f"{group}.")] + [*chosen]
    siblings = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == group}
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    close = [siblings[name] for name in difflib.get_close_matches(last, siblings, n=2)] or elsewhere
    if close:
        return f"no such key; did you mean {' or '.join(close)}?"
    return f"no such key; the keys of {group} are {', '.join(siblings)}" if group else "no such key; --help lists them"


def _about_key(error: OmegaConfBaseException) -> str:
    key = error.full_key or str(error.key)
    owner = error.object_type
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        if owner is dict:
            return f"{key}: not there yet; put a + in front to add it: +{key}=..."
        if key in schema_keys(TrainConfig):  # of another choice of the same group
            part = key.partition(".")[0]
            return f"{key}: not a key of this choice of {part}, which has {', '.join(_keys_of_choice(part, owner))}"
        return f"{key}: {suggest_key(key, owner)}"
    if isinstance(error, MissingMandatoryValue):
        return f"{key}: a value is needed, {key}=..."
    if isinstance(error, InterpolationResolutionError):
        return f"{key}: {_flat(str(error).splitlines()[0])}"
    keys = {**schema_keys(TrainConfig), **_keys_of_choice(key.partition(".")[0], owner)}
    known = keys.get(re.sub(r"\[\d+\]$", "", key))
    if isinstance(error, ValidationError) and known is not None:
        value = "null" if error.value is None else error.value
        return f"{key}={value}: must be {describe(known.kind)} ({known.meaning})"
    return f"{key}: {_flat(str(error).splitlines()[0])}"


def _keys_of_choice(part: str, owner: Any) -> dict[str, Key]:
    """Return the keys of a choice of a part; none if `owner` is not the schema of one."""
    return schema_keys(owner, prefix=f"{part}.") if part in CHOICES and is_dataclass(owner) else {}


def describe(kind: Any) -> str:
    """Describe a type annotation in the words of a user."""
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(describe(part) for part in get_args(kind))
    if get_origin(kind) is list:
        return f"a list, [a,b], of which each is {describe(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return "a mapping, {name: value}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(member.name for member in kind)
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(kind, str(kind))


def _suggest(word: str, choices: Iterable[str]) -> str:
    choices = sorted(choices)
    close = difflib.get_close_matches(word, choices, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}choose one of {', '.join(choices)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _in_our_words(message: str) -> str:
    ambiguous = re.match(r"Ambiguous value for argument '([^=]+)=(.*?)'", message)
    if ambiguous:
        key, value = ambiguous.groups()
        return f"{key}={value}: several values are a grid, which needs -m (a list is written {key}=[{value}])"
    if message.startswith("Config group override must be"):
        return f"a group is set to the name of one of its choices, as in memory=episodic; groups: {', '.join(GROUPS)}"
    return message


def _flat(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())
