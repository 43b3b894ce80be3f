"""Checks of the sizes that describe a task, with the same messages everywhere."""

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

_MOST = 10**8
"""More of anything would not fit into memory, or never end."""
MOST_SIDE = 1000
"""Side of the largest grid in cells: drawing a larger maze would take minutes."""
MOST_VIEW = 63
"""Side of the largest view in cells: a row of it is the bits of an integer."""


def check_int(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least `least` and, if given, at most `most`.
    """
    if not is_int(value) or not least <= value <= (_MOST if most is None else most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        bounds += f" and at most {_MOST:,}" if most is None and is_int(value) and value > _MOST else ""
        raise ValueError(f"{name}={value!r} must be a whole number {bounds}")
    return int(value)


def check_range(name: str, bounds: object, least: int, limit: int | None = None) -> tuple[int, int]:
    """Return `bounds` as a pair of ints, the fewest and the most.

    Raises:
        ValueError: if they are not two whole numbers with `least` <= fewest <= most, and most <= `limit` if given.
    """
    if isinstance(bounds, Sequence) and len(bounds) == 2:
        fewest, most = bounds
        if is_int(fewest) and is_int(most) and least <= fewest <= most <= (_MOST if limit is None else limit):
            return int(fewest), int(most)
    below = "" if limit is None else f" <= {limit}"
    raise ValueError(
        f"{name}={bounds!r} must be a pair (fewest, most) of whole numbers with {least} <= fewest <= most{below}"
    )


def check_view_size(name: str, value: object, side: int) -> int:
    """Return the side of an agent's view as an int.

    Args:
        name: of the argument.
        value: the side of the view in cells.
        side: that of the grid.

    Raises:
        ValueError: if it is not an odd whole number of at least 3, above 63, or so large that
            a smaller one shows all there is.
    """
    if not is_int(value) or value < 3 or value % 2 == 0:
        raise ValueError(f"{name}={value!r} must be an odd number of cells, 3 or more")
    if value > 2 * side - 1:
        raise ValueError(
            f"{name}={value} must be at most {2 * side - 1}: that shows all of a grid of {side} cells a side"
        )
    if value > MOST_VIEW:
        raise ValueError(f"{name}={value} must be at most {MOST_VIEW}")
    return int(value)


def is_number(value: object) -> TypeGuard[float | np.number]:
    """Return whether a value is a number, Python's or numpy's; true and false are none."""
    return is_int(value) or isinstance(value, float | np.floating)


def is_int(value: object) -> TypeGuard[int | np.integer]:
    """Return whether a value is a whole number, Python's or numpy's; true and false are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
