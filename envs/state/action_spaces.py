"""The generators with which spaces of actions draw their samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from engram.envs.state.plain.reading import as_list, read_generator
from engram.envs.state.plain.writing import Plain, plain_generator


def action_generators(owners: Iterable[Any]) -> list[Plain]:
    """Return the states of the generators of some layers' spaces of actions, or of a VecEnv's."""
    return [generator_of(space) for space in _spaces_of(owners)]


class ActionGenerators:
    """Generators that were written by `action_generators`, to be put back.

    Args:
        owners: as of `action_generators`.
        plain: what it returned.

    Raises:
        ValueError: if it is of other spaces (see `Reader` for other errors).
    """

    def __init__(self, owners: Iterable[Any], plain: Any):
        self._spaces = _spaces_of(owners)
        self._generators = [None if one is None else read_generator(one) for one in as_list(plain)]
        if len(self._generators) != len(self._spaces):
            raise ValueError(f"there are {len(self._spaces)} spaces of actions, the state has {len(self._generators)}")

    def put_back(self) -> None:
        """Let the spaces draw what they would have drawn."""
        for space, generator in zip(self._spaces, self._generators, strict=True):
            space._np_random = generator


def generator_of(owner: Any) -> Plain:
    """Return the state of the generator of an env or a space; None if it has none, or none yet, or is a wrapper."""
    generator = None if isinstance(owner, gym.Wrapper) else getattr(owner, "_np_random", None)
    return plain_generator(generator) if isinstance(generator, np.random.Generator) else None


def _spaces_of(owners: Iterable[Any]) -> list[Any]:
    """List the spaces of actions, each once, with those that they consist of."""
    found = {id(space): space for owner in owners for space in _with_parts(owner.action_space)}
    return list(found.values())


def _with_parts(space: spaces.Space[Any]) -> Iterator[spaces.Space[Any]]:
    yield space
    parts = getattr(space, "spaces", ())
    for part in parts.values() if isinstance(parts, Mapping) else parts:
        yield from _with_parts(part)
