"""How an env came to where it stands: what its episode began from, and the actions since; by playing them again."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from engram.envs.state.likeness import could_stand_for
from engram.envs.state.plain.reading import as_list, read, read_generator, with_keys
from engram.envs.state.plain.writing import NUMERIC, Plain, UnknownKindError, plain_generator, written

_MOST_ACTIONS = 1 << 20
"""An episode that is longer is not recorded to its end, and cannot be played again."""
_KEYS = ("seed", "options", "generator", "actions", "observation", "after")


class Recorded(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Remembers the actions of an episode, so that it can be played again up to where it stands.

    For envs of which nobody knows what they consist of. Nothing that they show, draw or take for a seed changes. What
    an episode begins from is the seed of its reset, or the state of the env's generator before it.

    Args:
        env: any env.
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._seed: int | None = None
        self._options: dict[str, Any] | None = None
        self._generator: Plain = None
        self._actions: list[Any] = []
        self._observation: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._generator = self._generator_now() if seed is None else None
        self._seed, self._options, self._actions = seed, options, []
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        if len(self._actions) < _MOST_ACTIONS + 1:
            self._actions.append(action.copy() if isinstance(action, np.ndarray) else action)
        self._observation, reward, terminated, truncated, info = self.env.step(action)
        return self._observation, reward, terminated, truncated, info

    def recording(self) -> Plain:
        """Return what this episode began from, its actions, and where they led; None if it cannot be written."""
        if len(self._actions) > _MOST_ACTIONS:
            return None
        try:
            return {
                "seed": self._seed,
                "options": written(self._options),
                "generator": self._generator,
                "actions": _written_actions(self._actions),
                "observation": written(self._observation),
                "after": self._generator_now(),
            }
        except UnknownKindError:
            return None

    def play_again(self, recording: Any) -> bool:
        """Play what was recorded; return whether it led to the same observation, and to the same random numbers.

        An episode has to have begun before.

        Raises:
            ValueError: if it is no recording (see `reading` for other errors).
        """
        fields = with_keys(recording, _KEYS)
        seed, options, actions = fields["seed"], read(fields["options"]), _read_actions(fields["actions"])
        if not isinstance(seed, int | None) or not isinstance(options, dict | None):
            raise ValueError("a recording begins with a seed and options")
        shape = self.action_space.shape
        if shape is not None and not all(np.size(action) == np.prod(shape) for action in actions):
            raise ValueError(f"a recording of other actions than those of {self.action_space}")
        if not could_stand_for(read(fields["observation"]), self._observation, same_sizes=True):
            raise ValueError(f"a recording of other observations than those of {self.observation_space}")
        before, after = (None if one is None else read_generator(one) for one in (fields["generator"], fields["after"]))
        try:
            if before is not None:
                self.unwrapped.np_random = before
            self.reset(seed=seed, options=options)
            for action in actions:
                self.step(action)
            arrived = _is_same(
                [written(self._observation), self._generator_now()], [fields["observation"], fields["after"]]
            )
        except Exception:  # of whatever kind: it is the env's
            arrived = False
        if not arrived and after is not None:
            self.unwrapped.np_random = after  # the episodes that follow are drawn as they would have been
        return arrived

    def _generator_now(self) -> Plain:
        generator = getattr(self.unwrapped, "np_random", None)
        return plain_generator(generator) if isinstance(generator, np.random.Generator) else None


def _written_actions(actions: list[Any]) -> Plain:
    """Return actions as one array if they are NumPy's and alike."""
    forms = {
        (action.dtype, action.shape) if isinstance(action, np.ndarray | np.generic) else None for action in actions
    }
    return np.stack(actions) if len(forms) == 1 and None not in forms else written(actions)


def _read_actions(plain: Any) -> list[Any]:
    if isinstance(plain, np.ndarray) and plain.dtype.kind in NUMERIC:
        return list(plain.copy())
    return as_list(read(plain))


def _is_same(one: Any, other: Any) -> bool:
    """Return whether plain data are the same to the last bit."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(part, other[key]) for key, part in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and bool(one == other)
