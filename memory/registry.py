"""Names of controllers and memories: one dictionary each, from the word in a config to the class."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from engram.memory.controllers.feedforward import FeedForward
from engram.memory.controllers.gru import GRU
from engram.memory.controllers.interface import Controller
from engram.memory.controllers.lstm.definition import LSTM
from engram.memory.controllers.transformer import Transformer
from engram.memory.dnc.memory import DNC
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.fast_weight.memory import FastWeightMemory
from engram.memory.interface import Encode, Memory, SequentialMemory
from engram.memory.none import NoMemory
from engram.memory.ntm.memory import NTM
from engram.memory.state import State
from engram.memory.transformer.memory import TransformerMemory

CONTROLLERS: dict[str, type[Controller[Any]]] = {
    "lstm": LSTM,
    "gru": GRU,
    "feedforward": FeedForward,
    "transformer": Transformer,
}
MEMORIES: dict[str, type[Memory[Any]]] = {
    "none": NoMemory,
    "episodic": EpisodicMemory,
    "ntm": NTM,
    "dnc": DNC,
    "fast_weight": FastWeightMemory,
    "transformer": TransformerMemory,
}


def build_controller(name: str, input_size: int, kwargs: Mapping[str, Any] | None = None) -> Controller[Any]:
    """Build the controller of that name.

    Raises:
        ValueError: if the name or an argument is unknown, or a size does not fit.
    """
    kwargs = _named("controller", kwargs)
    controller: type[Controller[Any]] = _look_up("controller", name, CONTROLLERS)
    _check_arguments("controller", name, controller, kwargs, given={"input_size"})
    return controller(input_size, **kwargs)


def build_memory(
    name: str,
    encode: Encode,
    event: State,
    encoded_size: int,
    hidden_size: int,
    kwargs: Mapping[str, Any] | None = None,
) -> Memory[Any]:
    """Build the memory of that name.

    Raises:
        ValueError: if the name or an argument is unknown, or a size does not fit.
    """
    kwargs = _named("memory", kwargs)
    memory: type[Memory[Any]] = _look_up("memory", name, MEMORIES)
    _check_arguments("memory", name, memory, kwargs, given={"encode", "event", "encoded_size", "hidden_size"})
    built = memory(encode, event, encoded_size, hidden_size, **kwargs)
    if not hasattr(built, "read_size"):
        raise ValueError(
            f"{memory.__name__} has to set read_size: how many features its read adds to what the heads see"
        )
    if isinstance(built, SequentialMemory) and not built.feedback_size:
        raise ValueError(
            f"{memory.__name__} has to set feedback_size: its read of one step enters the controller at the next"
        )
    return built


def _named(kind: str, kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(kwargs, Mapping | None):
        raise ValueError(f"{kind}_kwargs={kwargs!r} must be a dictionary from names to values")
    return dict(kwargs or {})


def _look_up(kind: str, name: str, classes: Mapping[str, Any]) -> Any:
    if not isinstance(name, str) or name not in classes:
        raise ValueError(f"unknown {kind} {name!r}; choose one of {', '.join(sorted(classes))}")
    return classes[name]


def _check_arguments(kind: str, name: str, cls: type, kwargs: Mapping[str, Any], given: set[str]) -> None:
    valid = [argument for argument in inspect.signature(cls).parameters if argument not in given]
    for key in kwargs:
        if key not in valid:
            close = difflib.get_close_matches(key, valid, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            known = ", ".join(valid) if valid else "none"
            raise ValueError(f"{kind} '{name}' has no argument '{key}'; {hint}its arguments are: {known}")
