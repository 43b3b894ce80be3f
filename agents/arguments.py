"""What MemoryPPO refuses before it builds anything: each in one line that says what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from operator import index
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

from gymnasium.vector import VectorEnv

Value = TypeVar("Value")

NOT_SUPPORTED = {"use_sde": False, "sde_sample_freq": -1, "rollout_buffer_class": None, "rollout_buffer_kwargs": None}
"""Arguments of stock PPO that have no meaning here, and their defaults."""
RANGES = {
    "gamma": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "novelty_coef": (0.0, float("inf")),
    "vf_coef": (0.0, float("inf")),
    "max_grad_norm": (0.0, float("inf")),
    "target_kl": (0.0, float("inf")),
}
PRECISIONS = ("float32", "bf16")
SCHEDULES = ("learning_rate", "clip_range", "clip_range_vf", "ent_coef")


def refuse_unsupported(**given: Any) -> None:
    """Refuse arguments of stock PPO that have no meaning here.

    Raises:
        ValueError: if one is not at its default.
    """
    for key, value in given.items():
        if value != NOT_SUPPORTED[key]:
            raise ValueError(f"MemoryPPO has no {key}; leave it out")


def refuse_vector_env(env: object) -> None:
    """Refuse a vector environment of Gymnasium, which is no VecEnv.

    Raises:
        ValueError: if it is one; the message says what makes a VecEnv of it.
    """
    if isinstance(env, VectorEnv):
        raise ValueError(f"{env} is a vector env of Gymnasium: put engram.envs.GymnasiumVecEnv around it")


def refuse_unknown(whose: str, kwargs: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse keyword arguments that are not `known`.

    Raises:
        ValueError: if there is one.
    """
    known = sorted(set(known) - {"self", "kwargs", "unknown"})
    for key in kwargs:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"its arguments are: {', '.join(known)}"
            raise ValueError(f"{whose} has no argument '{key}'; {hint}")


def one_of_two(name: str, value: Value | None, other_name: str, other: Value | None) -> Value | None:
    """Return what one of two arguments of the same meaning was given; None if neither was.

    Raises:
        ValueError: if both were given, and differ.
    """
    if value is not None and other is not None and value != other:
        raise ValueError(f"{name}={value!r} and {other_name}={other!r} differ; give one of them")
    return other if value is None else value


def with_architecture(policy_kwargs: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy's arguments, with those that were given to MemoryPPO itself.

    Args:
        policy_kwargs: what the user hands on to the policy.
        given: arguments of MemoryPPO that are the policy's; None where one was left out.

    Raises:
        ValueError: if one was given in both places, and differs.
    """
    if not isinstance(policy_kwargs, Mapping | None):
        raise ValueError(f"policy_kwargs={policy_kwargs!r} must be a dictionary from names to values")
    merged = dict(policy_kwargs or {})
    for name, value in given.items():
        agreed = one_of_two(name, value, f"policy_kwargs['{name}']", merged.get(name))
        if agreed is not None:
            merged[name] = agreed
    return merged


def check_numbers(numbers: Mapping[str, Any]) -> None:
    """Refuse what is no number or out of its range; None stands for no limit where there is a range.

    Raises:
        ValueError: if a value is of the wrong type or out of range.
    """
    for key in SCHEDULES:
        value = numbers[key]
        if value is not None and not callable(value) and not isinstance(value, SupportsFloat):
            raise ValueError(f"{key}={value!r} must be a number, or a function of the share of training that is left")
    for key, (low, high) in RANGES.items():
        value = numbers[key]
        bounds = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        if value is not None and (not isinstance(value, SupportsFloat) or not low <= float(value) <= high):
            raise ValueError(f"{key}={value!r} must be a number {bounds}")
    if numbers["precision"] not in PRECISIONS:
        raise ValueError(f"precision={numbers['precision']!r} must be one of {', '.join(PRECISIONS)}")
    n_epochs, fraction = numbers["n_epochs"], numbers["novelty_fraction"]
    if not isinstance(n_epochs, SupportsIndex) or index(n_epochs) < 1:
        raise ValueError(f"n_epochs={n_epochs!r} must be a whole number of at least 1")
    if not isinstance(fraction, SupportsFloat) or not 0 < float(fraction) <= 1:
        raise ValueError(f"novelty_fraction={fraction!r} must be a number above 0 and at most 1")
