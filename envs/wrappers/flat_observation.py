"""Observations of any nesting as a flat dictionary of parts that an agent can read."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from engram.envs.wrappers.part import Part, Space

_TRUSTED = ("engram.", "gymnasium.", "minigrid.")
"""Modules whose envs show what they announce: nothing is looked at twice at each step."""


class FlatObservation(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Takes the parts out of tuples and nested dictionaries, and numbers choices from 0 on.

    A part is named by the keys and positions that lead to it: of ``{"hand": (card, suit), "turn": turn}`` the parts are
    "hand/0", "hand/1" and "turn". A tuple of a single part becomes that part. A number without an axis gets one,
    choices that start elsewhere are moved to start at 0, and those of several axes are put in one row. A text becomes
    the numbers of its words, 128 at most (see ``Words``).

    What is shown is held to its space as far as storing it would change it: shapes, texts, fractions and choices.

    Args:
        env: any environment.

    Raises:
        ValueError: if a part is of a space that an agent cannot read, such as Graph, or if two would share a name; at a
            step, if what is shown is none of its space.
    """

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        parts = _parts(env.observation_space)
        self._only = parts[0] if _is_single(env.observation_space, parts) else None
        self._by_key = {part.key: part for part in parts}
        self.observation_space = flat_space(env.observation_space)

    def observation(self, observation: Any) -> Any:
        if self._only is not None:
            return self._only.plain_value(observation)
        return {key: part.plain_value(observation) for key, part in self._by_key.items()}


def flattened(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Return an environment with a flat observation that is held to its space: itself, if it has one."""
    is_flat = flat_space(env.observation_space) == env.observation_space
    is_held = type(env.unwrapped).__module__.startswith(_TRUSTED) or _is_within(env)
    return env if is_flat and is_held else FlatObservation(env)


def _is_within(env: gym.Env[Any, Any]) -> bool:
    while isinstance(env, gym.Wrapper) and not isinstance(env, FlatObservation):
        env = env.env
    return isinstance(env, FlatObservation)


def flat_space(space: Space) -> Space:
    """Return the space that ``FlatObservation`` makes of one; equal to it if there is nothing to do.

    Raises:
        ValueError: as ``FlatObservation``.
    """
    parts = _parts(space)
    plain = {part.key: part.plain_space for part in parts}
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
