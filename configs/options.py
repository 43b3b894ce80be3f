"""How a key of the configuration is declared: its meaning and its bounds, beside its type."""

from __future__ import annotations

from dataclasses import field
from math import inf
from typing import Any

from omegaconf import MISSING


def option(meaning: str, default: Any = MISSING, *, low: float = -inf, high: float = inf) -> Any:
    """Declare a key.

    Args:
        meaning: in one line.
        default: if a YAML file may leave the key out.
        low, high: the least and the largest value; of a list, those of each element.
    """
    metadata = {"meaning": meaning, "low": low, "high": high}
    if isinstance(default, dict | list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)
