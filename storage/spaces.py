"""Spaces as plain data, and back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from engram.storage.plain import Plain

DTYPES = frozenset(np.dtype(code).name for code in "?bBhHiIlLqQefd")
SAID = {
    "constant_over_episode": bool,
    "tells_place": bool,
    "one_alphabet": bool,
    "alphabets": tuple,
    "nothing": tuple,
}
"""What a space may say of itself, and encoders, memories and bonuses ask for; all others of its attributes are not
kept, nor is its class, which may be an env's own."""


def space_as_data(space: spaces.Space[Any]) -> Plain:
    """Return a space that agents support as plain data."""
    said = {name: kind(getattr(space, name)) for name, kind in SAID.items() if hasattr(space, name)}
    match space:
        case spaces.Dict():
            parts = [[key, space_as_data(part)] for key, part in space.spaces.items()]
            return {"space": "Dict", "parts": parts}
        case spaces.Box():
            kept: dict[str, Any] = {"space": "Box", "low": space.low, "high": space.high}
        case spaces.Discrete():
            kept = {"space": "Discrete", "n": int(space.n)}
        case spaces.MultiDiscrete():
            kept = {"space": "MultiDiscrete", "nvec": space.nvec}
        case spaces.MultiBinary():
            kept = {"space": "MultiBinary", "n": space.n}
        case _:
            raise ValueError(f"a space {type(space).__name__} cannot be saved")
    return {**kept, "dtype": np.dtype(space.dtype).name, "said": said}


def space_from_data(given: Any) -> spaces.Space[Any]:
    """Return the space that `space_as_data` was given; of a class of an env's own, one that is equal to it.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r:.60} is no space")
    if given.get("space") == "Dict":
        parts = OrderedDict((str(key), space_from_data(part)) for key, part in given["parts"])
        return spaces.Dict(parts)
    if given.get("dtype") not in DTYPES:
        raise ValueError(f"a space of {given.get('dtype')!r:.60}, which is no type of numbers")
    dtype: Any = np.dtype(given["dtype"])
    space = _made(given, dtype)
    for name, value in given["said"].items():
        if name not in SAID:
            raise ValueError(f"a space says {name!r:.60}, of which nothing is known")
        setattr(space, name, SAID[name](value))
    return space


def _made(given: Mapping[str, Any], dtype: Any) -> spaces.Space[Any]:
    match given.get("space"):
        case "Box":
            low, high = given["low"], given["high"]
            if not isinstance(low, np.ndarray) or not isinstance(high, np.ndarray):
                raise ValueError("a Box has no bounds")
            if low.dtype != dtype or high.dtype != dtype or low.shape != high.shape:
                raise ValueError(f"a Box of {dtype} has bounds {low.dtype} {low.shape} and {high.dtype} {high.shape}")
            return spaces.Box(low, high, dtype=dtype)
        case "Discrete":
            return spaces.Discrete(_count(given["n"]), dtype=dtype)
        case "MultiDiscrete":
            nvec = given["nvec"]
            if not isinstance(nvec, np.ndarray) or nvec.dtype.kind not in "iu" or not (nvec > 0).all():
                raise ValueError(f"{nvec!r:.60} are no numbers of choices")
            return spaces.MultiDiscrete(nvec, dtype=dtype)
        case "MultiBinary":
            n = given["n"]
            return spaces.MultiBinary([_count(axis) for axis in n] if isinstance(n, list) else _count(n))
    raise ValueError(f"{given.get('space')!r:.60} is no space that agents support")


def _count(number: Any) -> int:
    if type(number) is not int or not 0 < number < 2**62:
        raise ValueError(f"{number!r:.60} is no number of choices")
    return number
