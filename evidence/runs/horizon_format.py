"""Whether the content of a `horizon.json` is a horizon curve, for files that were cut or edited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

RATES = ("success", "success_low", "success_high")
WIPED = ("wiped", "wiped_low", "wiped_high")
NUMBERS = ("chance", "oracle", "effective_length", "effective_low", "effective_high")
NAMES = ("checkpoint", "episodes", "seed")


def problem_of(content: Any) -> str | None:
    """Say what is wrong with the content of a `horizon.json`, and at which key; None if it is a curve.

    Args:
        content: as JSON was read.
    """
    if not isinstance(content, Mapping):
        return "there is no mapping in it"
    by, points = content.get("by"), content.get("points")
    if not isinstance(by, str):
        return f"by={by!r:.40} is no name"
    if not isinstance(points, list) or not points:
        return f"points={points!r:.40} is no list of points"
    for number, point in enumerate(points):
        if problem := _problem_of_point(point, by):
            return f"points[{number}]{problem}"
    trained = content.get("trained")
    if trained is not None and not (isinstance(trained, list) and len(trained) == 2 and all(map(_is_number, trained))):
        return f"trained={trained!r:.40} is no pair of numbers"
    for key in NUMBERS:
        if content.get(key) is not None and not _is_number(content[key]):
            return f"{key}={content[key]!r:.40} is no number"
    for key in NAMES:
        if not isinstance(content.get(key), str | int | None):
            return f"{key}={content[key]!r:.40} is neither a name nor a number"
    return None


def _problem_of_point(point: Any, by: str) -> str | None:
    if not isinstance(point, Mapping):
        return f"={point!r:.40} is no mapping"
    for key in (by, "episodes", *RATES):
        if key not in point:
            return f" has no '{key}'"
    for key in (by, "episodes"):
        if not _is_number(point[key]) or point[key] < (0 if key == by else 1) or point[key] != int(point[key]):
            return f".{key}={point[key]!r:.40} is no whole number from {0 if key == by else 1}"
    for key in (*RATES, *WIPED):
        if point.get(key) is not None and not (_is_number(point[key]) and 0 <= point[key] <= 1):
            return f".{key}={point[key]!r:.40} is no rate from 0 to 1"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
