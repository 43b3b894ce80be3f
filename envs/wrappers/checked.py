"""What an env of others returns beside its observations is what Gymnasium promises, or it is refused in a line."""

from __future__ import annotations

from numbers import Real
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

NUMBERS = "biuf"
"""Kinds of arrays that hold real numbers."""


class EnvFault(ValueError):
    """An env returned what nothing can be learned from."""


class Checked(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Refuses rewards that are no finite numbers, ends that are neither True nor False, and infos of other kinds.

    Without it much of this is taken silently: ``None`` for False, the text "1" for a reward. Observations are held to
    their space by ``FlatObservation``.

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
        self._check_info("reset", info)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        returned: Any = self.env.step(action)
        if not isinstance(returned, tuple) or len(returned) != 5:
            self._refuse("step", returned, "(observation, reward, terminated, truncated, info)")
        observation, reward, terminated, truncated, info = returned
        self._check_info("step", info)
        if not _is_number(reward):
            self._refuse("step", reward, "a number as reward")
        if not np.isfinite(reward):
            self._refuse("step", reward, "a finite reward")
        for name, ended in (("terminated", terminated), ("truncated", truncated)):
            if not isinstance(ended, bool | np.bool_ | int | np.integer) or ended not in (0, 1):
                self._refuse("step", ended, f"True or False as {name}")
        return observation, reward, terminated, truncated, info

    def _check_info(self, by: str, info: Any) -> None:
        if not isinstance(info, dict):
            self._refuse(by, info, "a dictionary as info")

    def _refuse(self, by: str, returned: Any, promised: str) -> None:
        shown = " ".join(repr(returned).split())
        raise EnvFault(f"env {self._name}: {by} returned {shown:.80}; it must be {promised}")


def _is_number(reward: Any) -> bool:
    if isinstance(reward, np.ndarray):
        return reward.size == 1 and reward.ndim == 0 and reward.dtype.kind in NUMBERS
    return isinstance(reward, Real | np.bool_)
