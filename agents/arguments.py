"""What MemoryPPO refuses before it builds anything: each in one line that says what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from gymnasium.vector import VectorEnv

Value = TypeVar("Value")

NOT_SUPPORTED = {"use_sde": False, "sde_sample_freq": -1, "rollout_buffer_class": None, "rollout_buffer_kwargs": None}
"""Arguments of stock PPO that have no meaning here, and their defaults."""


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
