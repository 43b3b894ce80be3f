"""Objects as plain data: numbers, texts, lists, dictionaries and arrays, as JSON and a file of arrays hold them."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engram.envs.state.plain.kinds import KINDS, RECORDS

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"] | npt.NDArray[Any]
"""None, a number, a text, an array of numbers or truth values, or a list or dictionary of these."""

NUMERIC = "biuf"
"""Kinds of arrays that are plain data."""
_KIND_NAMES = {kind.of: name for name, kind in KINDS.items()}
_RECORD_NAMES = {record: name for name, record in RECORDS.items()}
_CAN_CHANGE = {list, set, deque, dict, np.ndarray, np.random.Generator, *_KIND_NAMES}


class UnknownKindError(TypeError):
    """An object is of no kind that can be written as plain data."""


class Writer:
    """Writes objects that refer to each other, so that what is shared, or runs in a circle, stays so.

    What can change (lists, arrays, generators, things in a grid) goes into one list, each object once, and is referred
    to by its number there. What cannot change (numbers, texts, tuples) stands where it is met. `Reader` reads it.

    Args:
        layers: objects that will be there when it is read, and are referred to by their numbers only.
    """

    def __init__(self, layers: Sequence[object] = ()):
        self._layers = {id(layer): number for number, layer in enumerate(layers)}
        self._met: list[Any] = []  # which also keeps them alive, so that no other object gets their ids
        self._numbers: dict[int, int] = {}

    def write(self, value: Any) -> Plain:
        """Return what stands for a value.

        Raises:
            UnknownKindError: if it is of a kind that cannot be written.
        """
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            plain: Plain = value
            return plain
        if id(value) in self._layers:
            return {"layer": self._layers[id(value)]}
        if kind in _CAN_CHANGE:
            return {"object": self._number_of(value)}
        if kind is tuple:
            return {"tuple": self._items(value)}
        if kind is frozenset:
            return {"frozenset": self._items(_in_order(value))}
        if kind in _RECORD_NAMES:
            return {"record": _RECORD_NAMES[kind], "items": [self.write(item) for item in value]}
        if isinstance(value, np.generic) and value.dtype.kind in NUMERIC:
            return np.asarray(value)
        if isinstance(value, np.str_):
            return str(value)
        raise UnknownKindError(f"{kind.__module__}.{kind.__qualname__} is no plain data")

    def objects(self) -> list[Plain]:
        """Return all that was referred to, and all that these refer to.

        Raises:
            UnknownKindError: as `write`.
        """
        written: list[Plain] = []
        while len(written) < len(self._met):  # which grows meanwhile
            written.append(self._object(self._met[len(written)]))
        return written

    def _number_of(self, value: Any) -> int:
        number = self._numbers.setdefault(id(value), len(self._met))
        if number == len(self._met):
            self._met.append(value)
        return number

    def _object(self, value: Any) -> Plain:
        kind = type(value)
        if kind is list:
            return {"list": self._items(value)}
        if kind is set:
            return {"set": self._items(_in_order(value))}
        if kind is deque:
            return {"deque": self._items(value), "maxlen": value.maxlen}
        if kind is dict:
            return {"dict": self._items(value), "values": self._items(value.values())}
        if kind is np.random.Generator:
            return {"generator": plain_generator(value)}
        if kind is not np.ndarray:
            return {"kind": _KIND_NAMES[kind], "attributes": {key: self.write(one) for key, one in vars(value).items()}}
        if value.dtype.kind not in NUMERIC:
            raise UnknownKindError(f"an array of {value.dtype} is no plain data")
        return {"array": value.copy()}

    def _items(self, values: Iterable[Any]) -> Plain:
        """Return several values; where they are alike, as most are, in an array (see `unpacked` for which)."""
        items = list(values)
        packed = _packed(items)
        if packed is None and items and all(item is None or self._is_referred_to(item) for item in items):
            packed = np.array([-1 if item is None else self._number_of(item) for item in items], dtype=np.int32)
        return [self.write(item) for item in items] if packed is None else packed

    def _is_referred_to(self, value: Any) -> bool:
        return type(value) in _CAN_CHANGE and id(value) not in self._layers


def written(value: Any) -> Plain:
    """Return a single value with all that it refers to.

    Raises:
        UnknownKindError: as `Writer.write`.
    """
    writer = Writer()
    return {"value": writer.write(value), "objects": writer.objects()}


def plain_generator(generator: np.random.Generator) -> Plain:
    """Return the state of a generator."""
    state: dict[str, Plain] = copy.deepcopy(dict(generator.bit_generator.state))  # of which arrays are parts
    return state


def _in_order(items: Collection[Any]) -> list[Any]:
    """Return the items of a set in an order that does not depend on how it came about, if they have one."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def _packed(items: Collection[Any]) -> npt.NDArray[Any] | None:
    """Return values that are all alike as an array; None where they are not."""
    kinds = set(map(type, items))
    if kinds == {float}:
        return np.array(items, dtype=np.float64)
    if kinds == {int}:
        return _whole_numbers(items, (-1,))
    lengths = set(map(len, items)) if kinds in ({str}, {tuple}) else {0}
    if len(lengths) > 1 or lengths == {0}:
        return None
    (length,) = lengths
    if kinds == {str}:
        text = "".join(items)
        return np.frombuffer(text.encode(), dtype=np.uint8).reshape(-1, length) if text.isascii() else None
    parts = [part for item in items for part in item]
    return _whole_numbers(parts, (-1, length)) if set(map(type, parts)) == {int} else None


def _whole_numbers(numbers: Collection[int], shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    fit = min(numbers) >= -(2**63) and max(numbers) < 2**63
    return np.array(numbers, dtype=np.int64).reshape(shape) if fit else None


def is_plain(value: Any) -> bool:
    """Return whether a value is plain data already."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in NUMERIC
    if type(value) is dict:
        return all(type(key) is str and is_plain(part) for key, part in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)
