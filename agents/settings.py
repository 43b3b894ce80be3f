"""The numbers of MemoryPPO: what each may be, and what it is at the moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from operator import index
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
import torch
from stable_baselines3.common.type_aliases import Schedule

INFINITE = float("inf")
RANGES = {
    "gamma": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "novelty_coef": (0.0, INFINITE),
    "vf_coef": (0.0, INFINITE),
    "reward_coef": (0.0, INFINITE),
    "recall_coef": (0.0, INFINITE),
    "max_grad_norm": (0.0, INFINITE),
    "target_kl": (0.0, INFINITE),
}
SCHEDULES = {
    "learning_rate": (0.0, INFINITE),
    "clip_range": (0.0, INFINITE),
    "clip_range_vf": (0.0, INFINITE),
    "ent_coef": (-INFINITE, INFINITE),
}
"""What may be a function of the share of training that is left, too."""
MAY_BE_NONE = ("target_kl", "clip_range_vf")
MAY_BE_INFINITE = ("max_grad_norm",)
SWITCHES = ("normalize_advantage", "normalize_returns")
PRECISIONS = ("float32", "bf16")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse what is no number or out of its range, by whomever it was set.

    Args:
        settings: those of MemoryPPO, and maybe more.

    Raises:
        ValueError: if a value is of the wrong type or out of range.
    """
    for key, (low, high) in RANGES.items():
        _check_number(key, settings[key], low, high)
    for key, (low, high) in SCHEDULES.items():
        if not callable(settings[key]):
            _check_number(key, settings[key], low, high, ", or a function of the share of training that is left")
    for key in SWITCHES:
        if not isinstance(settings[key], bool | np.bool_):
            raise ValueError(f"{key}={settings[key]!r} must be True or False")
    if settings["precision"] not in PRECISIONS:
        raise ValueError(f"precision={settings['precision']!r} must be one of {', '.join(PRECISIONS)}")
    n_epochs, fraction, seed = settings["n_epochs"], settings["novelty_fraction"], settings["seed"]
    if not isinstance(n_epochs, SupportsIndex) or index(n_epochs) < 1:
        raise ValueError(f"n_epochs={n_epochs!r} must be a whole number of at least 1")
    if not isinstance(fraction, SupportsFloat) or not 0 < float(fraction) <= 1:
        raise ValueError(f"novelty_fraction={fraction!r} must be a number above 0 and at most 1")
    if seed is not None and not isinstance(seed, SupportsIndex):
        raise ValueError(f"seed={seed!r} must be a whole number, or None for another each time")


def _check_number(key: str, value: Any, low: float, high: float, more: str = "") -> None:
    if value is None and key in MAY_BE_NONE:
        return
    if isinstance(value, SupportsFloat):
        number = float(value)
        if low <= number <= high and (math.isfinite(number) or key in MAY_BE_INFINITE):
            return
    bounds = "" if low == -INFINITE else f" at least {low:g}" if high == INFINITE else f" between {low:g} and {high:g}"
    without = " (inf for no limit)" if key in MAY_BE_INFINITE else " (None for no limit)" if key in MAY_BE_NONE else ""
    raise ValueError(f"{key}={value!r} must be a number{bounds}{without}{more}")


def plain(value: Any) -> Any:
    """Return a number as Python's own, whatever library it is of; schedules and None as they are."""
    return float(value) if isinstance(value, SupportsFloat) and not callable(value) else value


def number_now(key: str, value: float | Schedule, progress: float) -> float:
    """Return what a number, or its schedule, is at the moment.

    Args:
        key: what it is called.
        value: see `SCHEDULES`.
        progress: share of the training that is left.

    Raises:
        ValueError: if a schedule gives what is out of range.
    """
    now = value(progress) if callable(value) else value
    try:
        _check_number(key, now, *SCHEDULES[key])
    except ValueError as error:
        raise ValueError(f"{error}; so its schedule has it with {progress:.3g} of the training left") from error
    return float(now)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which layers compute in one of `PRECISIONS`."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)
