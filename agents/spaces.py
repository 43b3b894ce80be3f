"""Which spaces the agent supports, and how their observations become trees of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from memory import State

ACTION_MASK = "action_mask"
"""Key of a Dict observation that holds the actions allowed."""

OBSERVATION_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
ACTION_SPACES = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)


def check_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Refuse spaces that the agent does not support.

    Raises:
        ValueError: one line that names the space and those supported.
    """
    parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {"": observation_space}
    for key, space in parts.items():
        if not isinstance(space, OBSERVATION_SPACES):
            where = f" under the key '{key}'" if key else ""
            raise ValueError(
                f"observation space {type(space).__name__}{where} is not supported; use {_names(OBSERVATION_SPACES)}, "
                "or a flat Dict of these"
            )
    if not isinstance(action_space, ACTION_SPACES):
        raise ValueError(f"action space {type(action_space).__name__} is not supported; use {_names(ACTION_SPACES)}")
    if isinstance(action_space, spaces.Box) and not np.all(np.isfinite([action_space.low, action_space.high])):
        raise ValueError("a Box action space needs finite bounds, low and high")
    if isinstance(action_space, spaces.Discrete) and action_space.start != 0:
        raise ValueError(f"a Discrete action space must start at 0, not at {action_space.start}")


def _names(classes: tuple[type, ...]) -> str:
    return ", ".join(cls.__name__ for cls in classes)


def observation_tree(observations: Any, space: spaces.Space[Any], device: torch.device | str) -> State:
    """Turn observations into a tree of tensors; of a Dict a tuple in the order of its sorted keys.

    Args:
        observations: array or tensor [..., *shape], or a dict of these.
        space: the observation space; its dtype is the one stored.
        device: where the tensors live.
    """
    if isinstance(space, spaces.Dict):
        return tuple(observation_tree(observations[key], space[key], device) for key in sorted(space.spaces))
    return torch.as_tensor(observations, dtype=_dtype(space), device=device)


def blank_observation(space: spaces.Space[Any]) -> State:
    """Return one observation of zeros, leaves [1, ...]."""
    if isinstance(space, spaces.Dict):
        return tuple(blank_observation(space[key]) for key in sorted(space.spaces))
    return torch.zeros(1, *(space.shape or ()), dtype=_dtype(space))


def _dtype(space: spaces.Space[Any]) -> torch.dtype:
    kind: Tensor = torch.as_tensor(np.zeros(0, dtype=space.dtype))
    # Nothing in the agent computes in double precision.
    return torch.float32 if kind.dtype == torch.float64 else kind.dtype
