"""Which spaces the agent supports, and how their observations become trees of tensors."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim

from engram.memory import State

ACTION_MASK = "action_mask"
"""Key of a Dict observation that holds the actions allowed."""

OBSERVATION_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
ACTION_SPACES = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)

# What torch cannot index, it stores wider; nothing in the agent computes in double precision.
_STORED = {"float64": torch.float32, "uint16": torch.int32, "uint32": torch.int64, "uint64": torch.int64}


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Refuse spaces that the agent does not support.

    Raises:
        ValueError: one line that names the space and what would be right.
    """
    parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {"": observation_space}
    if not parts:
        raise ValueError("the Dict observation space is empty; give it at least one key")
    for key, space in parts.items():
        name = f"observation space {type(space).__name__}" + (f" under the key '{key}'" if key else "")
        if not isinstance(space, OBSERVATION_SPACES):
            raise ValueError(f"{name} is not supported; use {_names(OBSERVATION_SPACES)}, or a flat Dict of these")
        _check_shape(name, space)
    name = f"action space {type(action_space).__name__}"
    if not isinstance(action_space, ACTION_SPACES):
        raise ValueError(f"{name} is not supported; use {_names(ACTION_SPACES)}")
    _check_shape(name, action_space)
    if isinstance(action_space, spaces.MultiBinary) and len(action_space.shape) != 1:
        raise ValueError(f"{name} has shape {action_space.shape}; give it one axis, {math.prod(action_space.shape)}")
    if isinstance(action_space, spaces.MultiBinary) and not isinstance(action_space.n, int):
        size = math.prod(action_space.shape)
        raise ValueError(f"{name} is MultiBinary({action_space.n}), of a tuple; make it MultiBinary({size})")
    if isinstance(action_space, spaces.Box) and not np.issubdtype(action_space.dtype, np.floating):
        raise ValueError(f"{name} is of {action_space.dtype}; make it float32, or MultiDiscrete")
    if isinstance(action_space, spaces.Box) and not np.all(np.isfinite([action_space.low, action_space.high])):
        raise ValueError(f"{name} needs finite bounds, low and high")
    if ACTION_MASK in parts and isinstance(observation_space, spaces.Dict):
        _check_mask(parts[ACTION_MASK], action_space)


def check_keys(name: str, keys: Collection[str], space: spaces.Space[Any]) -> tuple[str, ...]:
    """Return keys of a Dict observation space as a tuple.

    Raises:
        ValueError: if there is one that the space lacks, or all are named.
    """
    known = sorted(space.spaces) if isinstance(space, spaces.Dict) else []
    keys = (keys,) if isinstance(keys, str) else tuple(keys)
    for key in keys:
        if key not in known:
            there = f"its keys are {', '.join(known)}" if known else "it has no keys"
            raise ValueError(f"{name}: the observation space has no key {key!r}; {there}")
    if keys and len(set(keys)) == len(known):
        raise ValueError(f"{name}={list(keys)}: these are all keys of the observation; leave one out")
    return keys


def constants_of(space: spaces.Space[Any]) -> list[str]:
    """Return the keys of a Dict whose spaces say that they are constant over an episode (`constant_over_episode`)."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    return [key for key, part in parts.items() if getattr(part, "constant_over_episode", False)]


def leaves_without(space: spaces.Space[Any], keys: Collection[str]) -> tuple[bool, ...] | None:
    """Return which leaves of an observation are of none of some keys of a Dict; None if there are no keys."""
    return tuple(key not in keys for key in sorted(cast(spaces.Dict, space).spaces)) if keys else None


def sights_of(space: spaces.Space[Any], ignored_keys: Collection[str]) -> tuple[bool, ...] | None:
    """Return which leaves of an observation count when it is asked whether a sight is new; None for all.

    These are all but those of ignored keys, and of keys whose spaces say that they tell where one is, not what is seen
    (`tells_place`). Where nothing else is left, places count.
    """
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    places = {key for key, part in parts.items() if getattr(part, "tells_place", False)}
    sights = leaves_without(space, {*ignored_keys, *places})
    return sights if sights is None or any(sights) else leaves_without(space, ignored_keys)


def _check_shape(name: str, space: spaces.Space[Any]) -> None:
    if isinstance(space, spaces.Box) and not space.shape:
        raise ValueError(f"{name} has shape (); give it one axis at least, such as (1,)")
    if isinstance(space, spaces.Discrete) and space.start != 0:
        raise ValueError(f"{name} must start at 0, not at {space.start}")
    if isinstance(space, spaces.MultiDiscrete) and (space.nvec.ndim != 1 or np.any(space.start != 0)):
        raise ValueError(f"{name} must have one axis and start at 0")


def _check_mask(mask: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
    if isinstance(actions, spaces.Discrete):
        choices = int(actions.n)
    elif isinstance(actions, spaces.MultiDiscrete):
        choices = int(actions.nvec.sum())
    else:
        raise ValueError(
            f"the observation has an '{ACTION_MASK}', which needs a Discrete or MultiDiscrete action space"
        )
    binary = isinstance(mask, spaces.MultiBinary) or (
        isinstance(mask, spaces.Box)
        and bool(np.issubdtype(mask.dtype, np.integer) or mask.dtype == np.bool_)
        and mask.low.min() >= 0
        and mask.high.max() <= 1
    )
    if not binary or get_flattened_obs_dim(mask) != choices:
        raise ValueError(
            f"the observation's '{ACTION_MASK}' must be MultiBinary({choices}), or a Box of that many integers 0 or 1 "
            "(and left out of VecNormalize)"
        )


def _names(classes: tuple[type, ...]) -> str:
    return ", ".join(cls.__name__ for cls in classes)


def observation_tree(observations: Any, space: spaces.Space[Any], device: torch.device | str) -> State:
    """Copy observations into a tree of tensors; of a Dict a tuple in the order of its sorted keys.

    Args:
        observations: array or tensor [..., *shape], or a dict of these.
        space: the observation space; its dtype is the one stored.
        device: where the tensors live.
    """
    if isinstance(space, spaces.Dict):
        return tuple(observation_tree(observations[key], space[key], device) for key in sorted(space.spaces))
    # A copy: an env may fill the same array again at its next step.
    return torch.asarray(observations, dtype=_dtype(space), device=device, copy=True)


def as_observed(observation: State, space: spaces.Space[Any]) -> Any:
    """Return a tree of tensors as arrays again, of a Dict by key: what `observation_tree` was given."""
    if isinstance(space, spaces.Dict):
        return {key: as_observed(part, space[key]) for key, part in zip(sorted(space.spaces), observation, strict=True)}
    return cast(torch.Tensor, observation).cpu().numpy()


def blank_observation(space: spaces.Space[Any]) -> State:
    """Return one observation of zeros, leaves [1, ...]."""
    if isinstance(space, spaces.Dict):
        return tuple(blank_observation(space[key]) for key in sorted(space.spaces))
    return torch.zeros(1, *(space.shape or ()), dtype=_dtype(space))


def _dtype(space: spaces.Space[Any]) -> torch.dtype:
    name = np.dtype(space.dtype).name
    return _STORED[name] if name in _STORED else torch.asarray(np.zeros(0, dtype=space.dtype)).dtype
