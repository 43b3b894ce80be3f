"""What MemoryPPO refuses before it builds anything: each in one line that says what would be right."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from operator import index
from typing import Any, SupportsFloat, SupportsIndex

from stable_baselines3 import PPO

NOT_SUPPORTED = {"use_sde", "sde_sample_freq", "rollout_buffer_class", "rollout_buffer_kwargs"}
RANGES = {
    "gamma": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "novelty_coef": (0.0, float("inf")),
    "vf_coef": (0.0, float("inf")),
    "max_grad_norm": (0.0, float("inf")),
    "target_kl": (0.0, float("inf")),
}


def check_stock_arguments(kwargs: Mapping[str, Any], own: Iterable[str]) -> None:
    """Refuse keyword arguments that stock PPO does not have, or that have no meaning here.

    Args:
        kwargs: what is to be handed on to PPO.
        own: names of MemoryPPO's own arguments, for suggestions.

    Raises:
        ValueError: if an argument is unknown or not supported.
    """
    known = {*own, *inspect.signature(PPO).parameters} - NOT_SUPPORTED - {"_init_setup_model"}
    for key in kwargs:
        if key in NOT_SUPPORTED:
            raise ValueError(f"MemoryPPO has no {key}; leave it out")
    refuse_unknown("MemoryPPO", kwargs, known)


def refuse_unknown(whose: str, kwargs: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse keyword arguments that are not `known`.

    Raises:
        ValueError: if there is one.
    """
    known = sorted({*known} - {"kwargs"})
    for key in kwargs:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"its arguments are: {', '.join(known)}"
            raise ValueError(f"{whose} has no argument '{key}'; {hint}")


def check_policy_arguments(policy_kwargs: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """Refuse `policy_kwargs` that would silently override MemoryPPO's own arguments.

    Args:
        policy_kwargs: what the user hands on to the policy.
        chosen: what MemoryPPO hands on itself.

    Raises:
        ValueError: if a name is in both.
    """
    for key in policy_kwargs:
        if key in chosen:
            raise ValueError(f"policy_kwargs has '{key}': give it to MemoryPPO itself, MemoryPPO(..., {key}=...)")


def check_numbers(numbers: Mapping[str, Any]) -> None:
    """Refuse what is no number or out of its range; names without a range of their own may be left out.

    Raises:
        ValueError: if a value is of the wrong type or out of range.
    """
    for key, (low, high) in RANGES.items():
        if numbers.get(key) is None:
            continue
        value = numbers[key]
        bounds = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        if not isinstance(value, SupportsFloat) or not low <= float(value) <= high:
            raise ValueError(f"{key}={value!r} must be a number {bounds}")
    n_epochs, fraction = numbers["n_epochs"], numbers["novelty_fraction"]
    if not isinstance(n_epochs, SupportsIndex) or index(n_epochs) < 1:
        raise ValueError(f"n_epochs={n_epochs!r} must be a whole number of at least 1")
    if not isinstance(fraction, SupportsFloat) or not 0 < float(fraction) <= 1:
        raise ValueError(f"novelty_fraction={fraction!r} must be a number above 0 and at most 1")
