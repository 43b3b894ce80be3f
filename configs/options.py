"""How a key of the configuration is declared: its meaning and its bounds, beside its type."""

from __future__ import annotations

from copy import copy
from dataclasses import field, is_dataclass
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
    if isinstance(default, dict | list) or is_dataclass(default):
        return field(default_factory=lambda: copy(default), metadata=metadata)
    return field(default=default, metadata=metadata)
