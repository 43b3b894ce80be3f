"""Arguments of an agent as plain data, and back: numbers, names, and known classes by their names.

What is no data, such as a function or a class of one's own, is named, and has to be given again.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from torch import nn

from engram.storage.plain import Plain

Names = Mapping[str, Mapping[str, type[Any]]]
"""Argument -> name -> class: the classes that have names of their own."""

MARK = "is"
"""The key of an object that stands for something that JSON has not."""
OF_TORCH = {"torch.nn": (torch.nn, nn.Module), "torch.optim": (torch.optim, torch.optim.Optimizer)}
"""Modules whose classes may be named in a file: module, and what a class of it has to be."""


def arguments_as_data(arguments: Mapping[str, Any], names: Names) -> Plain:
    """Return arguments as plain data; in the place of what is no data stands what it was, for `arguments_from_data`.

    Args:
        arguments: by name, as a constructor takes them.
        names: of classes, which are written as these.
    """
    return {name: _as_data(value, names, name) for name, value in arguments.items()}


def arguments_from_data(given: Any, again: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that `arguments_as_data` was given.

    Args:
        given: what it returned, from a file.
        again: what is no data, by its name, such as `policy_kwargs.memory`.

    Raises:
        ValueError: if they are none, or one is no data and not given again.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r:.60} are no arguments")
    unheld = {key: what for name, value in given.items() for key, what in _unheld(value, str(name)).items()}
    if missing := sorted(unheld.keys() - again.keys()):
        named = ", ".join(f"{name} is {unheld[name]:.200}" for name in missing)
        words = ", ".join(f"{name!r}: …" for name in missing)
        raise ValueError(f"{named}, which no file holds: give it again, load(…, custom_objects={{{words}}})")
    return {str(name): _from_data(value, str(name), again) for name, value in given.items()}


def _as_data(value: Any, names: Names, of: str = "") -> Any:
    match value:
        case None | bool() | int() | float() | str() | np.generic() | np.ndarray() | torch.Tensor():
            return value
        case FloatSchedule():
            return _as_data(value.value_schedule, names)
        case ConstantSchedule():
            return _as_data(value.val, names)
        case LinearSchedule():
            return {MARK: "linear schedule", "of": [value.start, value.end, value.end_fraction]}
        case list():
            return [_as_data(each, names) for each in value]
        case tuple():
            return {MARK: "tuple", "of": [_as_data(each, names) for each in value]}
        case set() | frozenset() if all(isinstance(each, str) for each in value):
            return {MARK: "set", "of": sorted(value)}
        case dict() if all(isinstance(key, str) and key != MARK for key in value):
            return {key: _as_data(each, names, key) for key, each in value.items()}
        case type():
            return _class_as_data(value, names.get(of, {}))
    return {MARK: "no data", "of": _named(value)}


def _class_as_data(cls: type[Any], names: Mapping[str, type[Any]]) -> Any:
    for name, known in names.items():
        if known is cls:
            return name
    for module, (holder, _) in OF_TORCH.items():
        if getattr(holder, cls.__name__, None) is cls:
            return {MARK: "class", "of": f"{module}.{cls.__name__}"}
    return {MARK: "no data", "of": _named(cls)}


def _from_data(value: Any, name: str, again: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_from_data(each, f"{name}[{index}]", again) for index, each in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if MARK not in value:
        return {key: _from_data(each, f"{name}.{key}", again) for key, each in value.items()}
    kind, of = value[MARK], value.get("of")
    match kind, of:
        case "tuple", list():
            return tuple(_from_data(each, f"{name}[{index}]", again) for index, each in enumerate(of))
        case "set", list() if all(isinstance(each, str) for each in of):
            return set(of)
        case "linear schedule", [float() | int(), float() | int(), float() | int()]:
            return LinearSchedule(*of)
        case "class", str():
            return _known_class(of, name)
        case "no data", str():
            return again[name]
    raise ValueError(f"{name} is {value!r:.60}, which nothing is that was saved")


def _unheld(value: Any, name: str) -> dict[str, str]:
    """Return what is no data, by its name: what it was."""
    if isinstance(value, Mapping) and value.get(MARK) == "no data" and isinstance(value.get("of"), str):
        return {name: value["of"]}
    if isinstance(value, Mapping) and value.get(MARK) == "tuple":
        value = value.get("of")
    if isinstance(value, list):
        inner = [(f"{name}[{index}]", each) for index, each in enumerate(value)]
    elif isinstance(value, Mapping) and MARK not in value:
        inner = [(f"{name}.{key}", each) for key, each in value.items()]
    else:
        return {}
    return {key: what for where, each in inner for key, what in _unheld(each, where).items()}


def _known_class(path: str, name: str) -> type[Any]:
    module, _, word = path.rpartition(".")
    if module in OF_TORCH:
        holder, parent = OF_TORCH[module]
        cls = getattr(holder, word, None)
        if inspect.isclass(cls) and issubclass(cls, parent):
            return cls
    raise ValueError(f"{name} is {path!r:.60}, which is no layer and no optimizer of torch")


def _named(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
