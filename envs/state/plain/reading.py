"""Plain data as the objects that they stand for. Nothing in them is believed: they may come from a damaged file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from engram.envs.state.plain.kinds import GENERATORS, KINDS, RECORDS
from engram.envs.state.plain.writing import NUMERIC

_EMPTY: Mapping[str, type] = {"list": list, "set": set, "dict": dict}


class Reader:
    """Reads what a `Writer` has written.

    All objects are made first, empty, and then filled, so that they may refer to each other in any order.

    Args:
        objects: what `Writer.objects` returned.
        layers: those of the writer, in the same order.

    Raises:
        ValueError: if an object is of no known kind, or lacks what objects of its kind have.
        TypeError, KeyError, IndexError, OverflowError: likewise, where NumPy or Python find it (see `refused`).
    """

    def __init__(self, objects: Any, layers: Sequence[object] = ()):
        self._layers = layers
        entries = [as_mapping(entry) for entry in as_list(objects)]
        self._objects = [_made(entry) for entry in entries]
        for entry, made in zip(entries, self._objects, strict=True):
            self._fill(made, entry)
        for entry, made in zip(entries, self._objects, strict=True):
            if "kind" in entry:
                _check(made, str(entry["kind"]))

    def read(self, plain: Any) -> Any:
        """Return the value that plain data stand for."""
        if plain is None or type(plain) in (bool, int, float, str):
            return plain
        if isinstance(plain, np.ndarray):
            return _numeric(plain, ())[()]
        return self._read_mapping(as_mapping(plain))

    def _read_mapping(self, plain: Mapping[str, Any]) -> Any:
        match dict(plain):
            case {"object": int(number), **rest} if not rest and 0 <= number < len(self._objects):
                return self._objects[number]
            case {"layer": int(number), **rest} if not rest and 0 <= number < len(self._layers):
                return self._layers[number]
            case {"tuple": items, **rest} if not rest:
                return tuple(self._items(items))
            case {"frozenset": items, **rest} if not rest:
                return frozenset(self._items(items))
            case {"record": str(name), "items": items, **rest} if not rest and name in RECORDS:
                return RECORDS[name](*self._items(items))
        raise ValueError(f"{_short(plain)} stands for nothing")

    def _items(self, plain: Any) -> list[Any]:
        if not isinstance(plain, np.ndarray):
            return [self.read(item) for item in as_list(plain)]
        if plain.dtype == np.int32:
            numbers = _numeric(plain, (None,)).tolist()
            if min(numbers, default=0) < -1:
                raise ValueError("a list refers to nothing")
            return [None if number == -1 else self._objects[number] for number in numbers]
        return _unpacked(plain)

    def _fill(self, made: Any, entry: Mapping[str, Any]) -> None:
        match made:
            case list() | deque():
                made.extend(self._items(entry["list" if isinstance(made, list) else "deque"]))
            case set():
                made.update(self._items(entry["set"]))
            case dict():
                made.update(zip(self._items(entry["dict"]), self._items(entry["values"]), strict=True))
            case _ if "kind" in entry:
                vars(made).update({key: self.read(one) for key, one in as_mapping(entry["attributes"]).items()})


def read(plain: Any) -> Any:
    """Return a single value that `written` wrote."""
    fields = with_keys(plain, ("value", "objects"))
    return Reader(fields["objects"]).read(fields["value"])


def read_generator(plain: Any) -> np.random.Generator:
    """Return the generator that `plain_generator` wrote."""
    state = as_mapping(plain)
    name = state.get("bit_generator")
    if not isinstance(name, str) or name not in GENERATORS:
        raise ValueError(f"{_short(name)} is no generator of NumPy")
    bits = GENERATORS[name](0)
    _check_same_form(state, bits.state)
    bits.state = state
    return np.random.Generator(bits)


def as_mapping(plain: Any) -> Mapping[str, Any]:
    """Return plain data that should be a dictionary with texts for keys."""
    if not isinstance(plain, Mapping) or not all(isinstance(key, str) for key in plain):
        raise ValueError(f"{_short(plain)} is no dictionary")
    return plain


def as_list(plain: Any) -> list[Any]:
    """Return plain data that should be a list."""
    if not isinstance(plain, list):
        raise ValueError(f"{_short(plain)} is no list")
    return plain


def with_keys(plain: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    """Return plain data that should be a dictionary with these keys and no others."""
    found = as_mapping(plain)
    missing, unknown = sorted(set(keys) - found.keys()), sorted(found.keys() - set(keys))
    if missing or unknown:
        wrong = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"knows no {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"it {' and '.join(wrong)}"[:200])
    return found


def _made(entry: Mapping[str, Any]) -> Any:
    """Return the object of an entry, empty but for arrays and generators."""
    match dict(entry):
        case {"list": _, **rest} | {"set": _, **rest} if not rest:
            return _EMPTY[next(iter(entry))]()
        case {"dict": _, "values": _, **rest} if not rest:
            return {}
        case {"deque": _, "maxlen": None | int() as most, **rest} if not rest:
            return deque(maxlen=most)
        case {"array": np.ndarray() as array, **rest} if not rest and array.dtype.kind in NUMERIC:
            return array.copy()
        case {"generator": state, **rest} if not rest:
            return read_generator(state)
        case {"kind": str(name), "attributes": _, **rest} if not rest and name in KINDS:
            return object.__new__(KINDS[name].of)
    raise ValueError(f"{_short(entry)} is of no known kind")


def _check(made: Any, name: str) -> None:
    """Refuse an object whose attributes are not those of its kind."""
    checks = KINDS[name].attributes
    attributes = with_keys(vars(made), tuple(checks))
    for key, check in checks.items():
        if not check(attributes[key]):
            raise ValueError(f"{name}.{key} cannot be {_short(attributes[key])}")


def _numeric(array: npt.NDArray[Any], shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """Return an array of numbers that should have a shape, None for any length."""
    lengths_fit = array.ndim == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype.kind not in NUMERIC or not lengths_fit:
        raise ValueError(f"an array of {array.dtype} {array.shape} stands for nothing")
    return array


def _unpacked(array: npt.NDArray[Any]) -> list[Any]:
    """Return the values of an array: by its type and axes numbers, tuples of numbers, or texts."""
    match array.dtype.str[1:], array.ndim:
        case "f8" | "i8", 1:
            return list(array.tolist())
        case "i8", 2:
            return list(map(tuple, array.tolist()))
        case "u1", 2:
            length, text = array.shape[1], array.tobytes().decode("ascii")
            return [text[start : start + length] for start in range(0, len(text), max(1, length))]
    raise ValueError(f"an array of {array.dtype} {array.shape} stands for no list")


def _check_same_form(plain: Any, known: Any) -> None:
    """Refuse the state of a generator that is not of the form of a known one."""
    if isinstance(known, Mapping):
        found = with_keys(plain, tuple(known))
        for key, part in known.items():
            _check_same_form(found[key], part)
    elif isinstance(known, np.ndarray):
        if not isinstance(plain, np.ndarray) or (plain.dtype, plain.shape) != (known.dtype, known.shape):
            raise ValueError(f"{_short(plain)} is no state of a generator")
    elif type(plain) is not type(known):
        raise ValueError(f"{_short(plain)} is no state of a generator")


def _short(plain: Any) -> str:
    return " ".join(f"{plain!r:.60}".split())


@contextmanager
def refused() -> Iterator[None]:
    """Turn whatever is found wrong with plain data into a ValueError of one line."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(reason[:300]) from error
