"""What of an env is no state: what its arguments decide, what it can compute again, and what draws it on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from minigrid.minigrid_env import MiniGridEnv
from stable_baselines3.common.monitor import Monitor

from engram.envs.tasks.tmaze.env import TMaze
from engram.envs.wrappers.part import Part
from engram.envs.wrappers.pixels import PixelView
from engram.envs.wrappers.symbols import ViewEncoder

_NAMES: dict[type[Any], set[str]] = {
    gym.Env: {"_np_random_seed", "metadata", "render_mode", "spec"},
    gym.Wrapper: {"env", "_metadata", "_cached_spec", "_action_space", "_observation_space", "_saved_kwargs"},
    gym.vector.VectorWrapper: {"env", "_metadata", "_saved_kwargs"},
    MiniGridEnv: {"width", "height", "agent_view_size", "see_through_walls", "screen_size", "render_size"},
    Monitor: {"t_start", "results_writer"},
    TMaze: {"_frames"},
    PixelView: {"_first_rows", "_rows"},
}
"""Of a class and those derived from it."""
_OF_SCREENS = {"window", "clock", "screen", "surf", "isopen", "viewer"}
_TYPES = (gym.Space, gym.vector.AutoresetMode, EnvSpec, ViewEncoder, Part)


def state_of(layer: Any) -> dict[str, Any]:
    """Return those attributes of an env, or of a wrapper without what it wraps, that may change.

    Functions, spaces and what our tables of views are made of are left out, and so is a list, tuple or dictionary whose
    first item is such a thing.
    """
    names = _OF_SCREENS.union(*(names for kind, names in _NAMES.items() if isinstance(layer, kind)))
    # Of a wrapper it is the env's; it is there only once somebody has asked for it.
    is_bare = isinstance(layer, gym.Env) and not isinstance(layer, gym.Wrapper)
    generator = {"_np_random": layer._np_random} if is_bare else {}
    kept = {name: value for name, value in vars(layer).items() if name not in names and not _is_fixed(value)}
    return kept | generator


def _is_fixed(value: Any) -> bool:
    if isinstance(value, list | tuple | dict) and value:
        value = next(_items(value))
    return callable(value) or isinstance(value, _TYPES)


def _items(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)
