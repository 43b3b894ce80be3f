"""Observations that nothing can be learned from are named before anything is: by env, key and value."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space

from engram.agents.encoders.symbols import MOST_IDS, is_symbol_grid

_LOOKS = 16
"""At a picture, before it is said that it may be none."""


class WrongStep(ValueError):
    """A step of an env that nothing can be learned from."""


class _Part(NamedTuple):
    """A part of an observation, and what its values have to be."""

    key: str  # "" if it is the whole
    low: NDArray[Any]
    high: NDArray[Any]
    is_bounded: bool
    is_strict: bool  # whether what is out of bounds cannot be encoded at all
    is_whole: bool  # whether what is stored is whole numbers
    is_picture: bool = False


class ObservationCheck:
    """Looks at every observation of B envs.

    Numbers have to be finite, and whole where they are stored so; choices and symbols have to be those of their space.
    A float that is out of its bounds can be learned from all the same: it is warned of once for each key. So are small
    numbers that are announced as the bytes of a picture: symbols, most likely, whose space has not been given their
    bounds.

    Args:
        space: of the observations.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        named = space.spaces.items() if isinstance(space, spaces.Dict) else [("", space)]
        self._parts = [_part(key, part) for key, part in named]
        self._warned: set[str] = set()
        self._highest = {part.key: [0] for part in self._parts if part.is_picture}  # at each look, until it is known

    def look(self, observations: Any, rows: NDArray[np.int64] | None = None) -> None:
        """Check observations [B, ...].

        Args:
            observations: an array, or a dict of these.
            rows: [X] the envs' numbers, if they are not 0 to B - 1.

        Raises:
            WrongStep: if a value is not finite, or none of its space.
        """
        for part in self._parts:
            shown = np.asarray(observations[part.key] if part.key else observations)
            if shown.dtype == np.float64:
                with np.errstate(over="ignore"):
                    shown = shown.astype(np.float32)  # as it is stored: what is too large for it is not finite
            if np.issubdtype(shown.dtype, np.floating) and not np.isfinite(shown).all():
                row, value = _first(~np.isfinite(shown), shown, rows)
                raise WrongStep(f"env {row} showed {_name(part)} of {value}: nothing can be learned from it")
            if part.is_whole and np.issubdtype(shown.dtype, np.floating) and (shown != np.floor(shown)).any():
                row, value = _first(shown != np.floor(shown), shown, rows)
                raise WrongStep(f"env {row} showed {_name(part)} of {value}, where its space has whole numbers only")
            if part.key in self._highest:
                self._look_for_symbols(part, shown)
            if not part.is_bounded:
                continue
            outside = (shown < part.low) | (shown > part.high)
            if not outside.any():
                continue
            row, value = _first(outside, shown, rows)
            line = f"env {row} showed {_name(part)} of {value}, outside of its space, from {_range(part, outside)}"
            if part.is_strict:
                raise WrongStep(f"{line}: it cannot be encoded")
            if part.key not in self._warned:
                self._warned.add(part.key)
                warnings.warn(f"{line}; this is said once", stacklevel=2)

    def _look_for_symbols(self, part: _Part, shown: NDArray[Any]) -> None:
        self._highest[part.key].append(int(shown.max()))
        most, looks = max(self._highest[part.key]), len(self._highest[part.key])
        if most >= MOST_IDS or looks > _LOOKS:
            del self._highest[part.key]
        if 0 < most < MOST_IDS and looks > _LOOKS:
            warnings.warn(
                f"{_name(part)} has not been above {most} so far, and all are read as a picture, of shape "
                f"{shown.shape[1:]}: if they are symbols, give the space their true bounds, or let make_vec_env or "
                "MemoryPPO show a MiniGrid env; this is said once",
                stacklevel=3,
            )


def _part(key: str, space: spaces.Space[Any]) -> _Part:
    match space:
        case spaces.Discrete():
            return _Part(key, np.array(0), np.array(space.n - 1), True, True, True)
        case spaces.MultiDiscrete():
            return _Part(key, np.zeros_like(space.nvec), space.nvec - 1, True, True, True)
        case spaces.MultiBinary():
            return _Part(key, np.array(0), np.array(1), True, True, True)
        case spaces.Box():
            least, most = -np.inf, np.inf
            is_whole = np.issubdtype(space.dtype, np.integer)
            if is_whole:
                least, most = np.iinfo(space.dtype).min, np.iinfo(space.dtype).max
            # Of a picture, or of what may be any number, nothing can be outside.
            is_bounded = not (np.all(space.low == least) and np.all(space.high == most))
            return _Part(key, space.low, space.high, is_bounded, is_symbol_grid(space), is_whole, is_image_space(space))
    return _Part(key, np.array(0), np.array(0), False, False, False)


def _first(wrong: NDArray[np.bool_], shown: NDArray[Any], rows: NDArray[np.int64] | None) -> tuple[int, str]:
    """Return the env and the value of the first entry that is wrong."""
    at = tuple(np.argwhere(wrong)[0])
    row = int(at[0]) if rows is None else int(rows[at[0]])
    return row, f"{shown[at]:g}"


def _name(part: _Part) -> str:
    return f"a value under '{part.key}'" if part.key else "a value"


def _range(part: _Part, outside: NDArray[np.bool_]) -> str:
    at = tuple(np.argwhere(outside)[0])[1:]
    low, high = (np.broadcast_to(bound, outside.shape[1:])[at] for bound in (part.low, part.high))
    return f"{low:g} to {high:g}"
