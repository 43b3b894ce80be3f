"""Names of controllers and memories: one dictionary each, from the word in a config or script to the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engram.memory.controllers.feedforward import FeedForward
from engram.memory.controllers.gru.definition import GRU
from engram.memory.controllers.interface import Controller
from engram.memory.controllers.lstm.definition import LSTM
from engram.memory.controllers.transformer import Transformer
from engram.memory.dnc.memory import DNC
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.episodic.sparse.memory import SparseEpisodicMemory
from engram.memory.fast_weight.memory import FastWeightMemory
from engram.memory.feedback.feedback_memory import FeedbackMemory
from engram.memory.interface import Encode, Memory
from engram.memory.named_classes import NamedClasses
from engram.memory.none import NoMemory
from engram.memory.ntm.memory import NTM
from engram.memory.state import State
from engram.memory.transformer.memory import TransformerMemory

CONTROLLERS: NamedClasses[Controller[Any]] = NamedClasses(
    "controller",
    Controller,
    {"input_size"},
    {"lstm": LSTM, "gru": GRU, "feedforward": FeedForward, "transformer": Transformer},
)
MEMORIES: NamedClasses[Memory[Any]] = NamedClasses(
    "memory",
    Memory,
    {"encode", "event", "encoded_size", "hidden_size"},
    {
        "none": NoMemory,
        "episodic": EpisodicMemory,
        "ntm": NTM,
        "dnc": DNC,
        "fast_weight": FastWeightMemory,
        "transformer": TransformerMemory,
    },
)
register_controller = CONTROLLERS.register
"""Give a `Controller` of one's own a name; see `NamedClasses.register`."""
register_memory = MEMORIES.register
"""Give a `Memory` of one's own a name; see `NamedClasses.register`."""


def build_controller(
    chosen: str | type[Controller[Any]], input_size: int, kwargs: Mapping[str, Any] | None = None
) -> Controller[Any]:
    """Build a controller, chosen by name or class.

    Raises:
        ValueError: if the name or an argument is unknown, or a size does not fit.
    """
    controller, own = CONTROLLERS.resolve(chosen, kwargs)
    built: Controller[Any] = controller(input_size, **own)
    return built


def build_memory(
    chosen: str | type[Memory[Any]],
    encode: Encode,
    event: State,
    encoded_size: int,
    hidden_size: int,
    kwargs: Mapping[str, Any] | None = None,
) -> Memory[Any]:
    """Build a memory, chosen by name or class.

    Raises:
        ValueError: if the name or an argument is unknown, or a size does not fit.
    """
    memory, own = MEMORIES.resolve(chosen, kwargs)
    if memory is EpisodicMemory and own.get("read") == SparseEpisodicMemory.reads:
        memory = SparseEpisodicMemory
    built: Memory[Any] = memory(encode, event, encoded_size, hidden_size, **own)
    if not hasattr(built, "read_size"):
        raise ValueError(
            f"{memory.__name__} has to set read_size: how many features its read adds to what the heads see"
        )
    if isinstance(built, FeedbackMemory) and not built.feedback_size:
        raise ValueError(
            f"{memory.__name__} has to set feedback_size: its read of one step enters the controller at the next"
        )
    return built
