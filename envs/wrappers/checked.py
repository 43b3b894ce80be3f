"""An env that is not ours is taken at its word, and its word is checked: what it returns is what its space says."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

NUMBERS = "biuf"
"""Kinds of arrays that hold real numbers."""


class EnvFault(ValueError):
    """An env returned what nothing can be learned from."""


class Checked(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Refuses what an env returns if it is of another shape or kind than it promises, or not finite.

    Without it much of this is taken silently: a single number fills a whole observation, ``None`` is taken for False,
    and the text "1" for a reward. A value outside of the bounds of its space is let through; whoever learns warns.

    Raises:
        EnvFault: by ``reset`` and ``step``, in one line that names the env and the value.
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        returned: Any = self.env.reset(seed=seed, options=options)
        if not isinstance(returned, tuple) or len(returned) != 2:
            self._refuse("reset", returned, "(observation, info)")
        observation, info = returned
        self._look("reset", observation, info)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        returned: Any = self.env.step(action)
        if not isinstance(returned, tuple) or len(returned) != 5:
            self._refuse("step", returned, "(observation, reward, terminated, truncated, info)")
        observation, reward, terminated, truncated, info = returned
        self._look("step", observation, info)
        if not _is_number(reward):
            self._refuse("step", reward, "a number as reward")
        if not np.isfinite(reward):
            self._refuse("step", reward, "a finite reward")
        for name, ended in (("terminated", terminated), ("truncated", truncated)):
            if not isinstance(ended, bool | np.bool_ | int | np.integer) or ended not in (0, 1):
                self._refuse("step", ended, f"True or False as {name}")
        return observation, reward, terminated, truncated, info

    def _look(self, by: str, observation: Any, info: Any) -> None:
        wrong = _wrong(observation, self.env.observation_space)
        if wrong:
            raise EnvFault(f"env {self._name}: {by} returned an observation {wrong}")
        if not isinstance(info, dict):
            self._refuse(by, info, "a dictionary as info")

    def _refuse(self, by: str, returned: Any, promised: str) -> None:
        shown = " ".join(repr(returned).split())
        raise EnvFault(f"env {self._name}: {by} returned {shown:.80}; it must be {promised}")


def _is_number(reward: Any) -> bool:
    if isinstance(reward, np.ndarray):
        return reward.size == 1 and reward.ndim == 0 and reward.dtype.kind in NUMBERS
    return isinstance(reward, Real | np.bool_)


def _wrong(observation: Any, space: spaces.Space[Any], key: str = "") -> str:
    """Return what is wrong with an observation; nothing if it is all right, or of a space that is none of numbers."""
    where = f" under the key {key!r}" if key else ""
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, Mapping) or observation.keys() != space.spaces.keys():
            keys = sorted(map(str, observation)) if isinstance(observation, Mapping) else type(observation).__name__
            return f"of {keys}{where}, and its space has the keys {sorted(space.spaces)}"
        parts = ((name, observation[name], part) for name, part in space.spaces.items())
        return next(filter(None, (_wrong(value, part, str(name)) for name, value, part in parts)), "")
    if isinstance(space, spaces.Tuple):
        if not isinstance(observation, tuple | list) or len(observation) != len(space.spaces):
            return f"{observation!r:.60}{where}, and its space has {len(space.spaces)} parts"
        pairs = enumerate(zip(observation, space.spaces, strict=True))
        return next(filter(None, (_wrong(value, part, f"{key}{place}") for place, (value, part) in pairs)), "")
    if not isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return ""
    array = observation if isinstance(observation, np.ndarray) else _as_array(observation)
    if array is None or array.dtype.kind not in NUMBERS:
        return f"{' '.join(repr(observation).split()):.60}{where}, which are no real numbers"
    if array.shape != space.shape:
        return f"of shape {array.shape}{where}, and its space is of {space.shape}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"with a value of {array[~np.isfinite(array)].flat[0]}{where}"
    return ""


def _as_array(observation: Any) -> np.ndarray[Any, Any] | None:
    try:
        return np.asarray(observation)
    except (ValueError, TypeError):  # rows of different lengths
        return None
