"""One check for all sizes, so that a wrong one is told the same way everywhere."""

from __future__ import annotations

from typing import SupportsIndex


def whole_number(name: str, value: object, least: int = 1) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least `least`.
    """
    if not isinstance(value, SupportsIndex) or isinstance(value, bool) or int(value) < least:
        raise ValueError(f"{name}={value!r} must be a whole number of at least {least}")
    return int(value)
