"""Whether a value could stand where another stands: what a state gives an env is held to what the env has."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core.verifier import Instr

from engram.envs.state.plain.kinds import is_number

_COLLECTIONS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("sequence", (tuple, list)),  # MiniGrid has a place as either, or as an array
    ("set", (set, frozenset)),
    ("deque", deque),
    ("dict", dict),
)
_FAMILIES = (WorldObj, Instr, gym.Env)  # one may stand for another


class Likeness(NamedTuple):
    """What a value is, roughly: its kind and, of a collection, the kinds of its items."""

    kind: str
    items: frozenset[Likeness] = frozenset()


_NUMBER, _TEXT, _NONE = Likeness("number"), Likeness("text"), Likeness("nothing")
_ALWAYS_THERE = {_NUMBER.kind, _TEXT.kind, "record", "Generator", "Grid", "Instr", *(kind for kind, _ in _COLLECTIONS)}


def likeness(value: Any) -> Likeness:
    """Return what a value is, roughly."""
    if value is None:
        return _NONE
    if is_number(value):
        return _NUMBER
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, np.ndarray):
        return Likeness("sequence", frozenset([_NUMBER] if value.ndim == 1 else [Likeness("sequence")]))
    if hasattr(value, "_fields"):  # a named tuple
        return Likeness("record", _of_items(value))
    kind = next((kind for kind, classes in _COLLECTIONS if isinstance(value, classes)), None)
    if kind is not None:
        return Likeness(kind, _of_items(value.values() if kind == "dict" else value))
    family = next((one for one in _FAMILIES if isinstance(value, one)), type(value))
    return Likeness(family.__name__)


def _of_items(items: Iterable[Any]) -> frozenset[Likeness]:
    return frozenset(map(likeness, items))


def could_stand_for(one: Any, other: Any, same_sizes: bool) -> bool:
    """Return whether a value could stand where another stands.

    Nothing is known of what may stand where nothing stands, nor of the items of what is empty. Where something stands
    may be nothing later if it is a thing or a room, but not if it is a number, a text, a collection, or the like.

    Args:
        one: the value.
        other: what an env has, right after a reset.
        same_sizes: whether arrays have to be as large as those that the env has; otherwise they may be longer.
    """
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        shapes = (one.shape, other.shape) if same_sizes else (one.shape[1:], other.shape[1:])
        return one.dtype.kind == other.dtype.kind and one.ndim == other.ndim and shapes[0] == shapes[1]
    return _fits(likeness(one), likeness(other))


def _fits(one: Likeness, other: Likeness) -> bool:
    if other == _NONE:
        return True
    if one == _NONE:
        return other.kind not in _ALWAYS_THERE
    return one.kind == other.kind and (not other.items or all(_any_fits(item, other.items) for item in one.items))


def _any_fits(item: Likeness, others: Collection[Likeness]) -> bool:
    return any(_fits(item, other) for other in others)
