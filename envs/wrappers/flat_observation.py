"""Observations of any nesting as a flat dictionary of parts that an agent can read."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from engram.envs.wrappers.words import Words

Space = spaces.Space[Any]
_MOST_WORDS = 128


class Part(NamedTuple):
    """A part of an observation that holds no parts itself."""

    path: tuple[Any, ...]  # the keys that lead to it, from the outside in
    space: Space

    @property
    def key(self) -> str:
        return "/".join(map(str, self.path))

    def plain_space(self) -> Space:
        """Return the space that an agent can read: one axis or more, values from 0 on."""
        space = self.space
        match space:
            case spaces.Box(shape=()):
                return spaces.Box(space.low.reshape(1), space.high.reshape(1), dtype=space.dtype.type)
            case spaces.Discrete(start=start) if start != 0:
                return spaces.Discrete(int(space.n))
            case spaces.MultiDiscrete(start=start, nvec=choices) if choices.ndim != 1 or np.any(start != 0):
                return spaces.MultiDiscrete(choices.flatten())
            case spaces.Text(max_length=letters):
                return Words(min(_MOST_WORDS, (letters + 1) // 2))
            case spaces.Box() | spaces.Discrete() | spaces.MultiDiscrete() | spaces.MultiBinary():
                return space
        name = f"the part '{self.key}' of the observation" if self.path else "the observation"
        raise ValueError(
            f"{name} is of the space {type(space).__name__}, which no agent here can read:"
            " make it a Box, Discrete, MultiDiscrete, MultiBinary or Text, or leave it out"
        )

    def plain_value(self, observation: Any) -> Any:
        """Take this part out of a whole observation, as an element of its plain space."""
        for key in self.path:
            observation = observation[key]
        space = self.space
        match space:
            case spaces.Box(shape=()):
                return np.asarray(observation, dtype=space.dtype).reshape(1)
            case spaces.Discrete(start=start) if start != 0:
                return observation - start
            case spaces.MultiDiscrete(start=start):
                return (observation - start).flatten()
            case spaces.Text():
                return cast(Words, self.plain_space()).numbers_of(observation)
        return observation


class FlatObservation(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Takes the parts out of tuples and nested dictionaries, and numbers choices from 0 on.

    A part is named by the keys and positions that lead to it: of ``{"hand": (card, suit), "turn": turn}`` the parts are
    "hand/0", "hand/1" and "turn". A tuple of a single part becomes that part. A number without an axis gets one,
    choices that start elsewhere are moved to start at 0, and those of several axes are put in one row. A text becomes
    the numbers of its words, 128 at most (see ``Words``).

    Args:
        env: any environment.

    Raises:
        ValueError: if a part is of a space that an agent cannot read, such as Graph, or if two would share a name.
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._parts = _parts(env.observation_space)
        self._is_single = _is_single(env.observation_space, self._parts)
        self.observation_space = flat_space(env.observation_space)

    def observation(self, observation: Any) -> Any:
        values = {part.key: part.plain_value(observation) for part in self._parts}
        return next(iter(values.values())) if self._is_single else values


def flattened(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Return an environment with a flat observation: itself, if it has one."""
    return env if flat_space(env.observation_space) == env.observation_space else FlatObservation(env)


def flat_space(space: Space) -> Space:
    """Return the space that ``FlatObservation`` makes of one; equal to it if there is nothing to do.

    Raises:
        ValueError: as ``FlatObservation``.
    """
    parts = _parts(space)
    plain = {part.key: part.plain_space() for part in parts}
    if len(plain) < len(parts):
        keys = [part.key for part in parts]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"two parts of the observation would be called '{twice}': rename a key")
    return next(iter(plain.values())) if _is_single(space, parts) else spaces.Dict(plain)


def _parts(space: Space) -> list[Part]:
    return list(_walk(space, ()))


def _walk(space: Space, path: tuple[Any, ...]) -> Iterator[Part]:
    if isinstance(space, spaces.Dict):
        for key, inner in space.spaces.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(space, spaces.Tuple):
        for position, inner in enumerate(space.spaces):
            yield from _walk(inner, (*path, position))
    else:
        yield Part(path, space)


def _is_single(space: Space, parts: list[Part]) -> bool:
    """Return whether the only part stands alone, outside of any dictionary."""
    return len(parts) == 1 and not isinstance(space, spaces.Dict)
