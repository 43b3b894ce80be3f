"""One check for all sizes and switches, so that the message about a wrong one is the same everywhere."""

from __future__ import annotations

from typing import SupportsIndex


def check_int(name: str, value: object, least: int = 1) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: if it is not a whole number of at least `least`.
    """
    if not isinstance(value, SupportsIndex) or isinstance(value, bool) or int(value) < least:
        raise ValueError(f"{name}={value!r} must be a whole number of at least {least}")
    return int(value)


def check_bool(name: str, value: object) -> bool:
    """Return `value`.

    Raises:
        ValueError: if it is neither True nor False; a text such as "false" would count as true.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r} must be true or false")
    return value
