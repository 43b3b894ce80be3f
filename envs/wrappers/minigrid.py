"""A MiniGrid environment as an agent sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from minigrid.envs.memory import MemoryEnv
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.checks import check_view_size
from engram.envs.wrappers.actions import ActionSubset
from engram.envs.wrappers.as_wrapped import AsWrapped, changes_the_view, check_values
from engram.envs.wrappers.cue import CueVisible
from engram.envs.wrappers.flat_observation import flattened
from engram.envs.wrappers.mission import MissionSeen, QuietReset, words_of_missions
from engram.envs.wrappers.odometry import OdometrySeen
from engram.envs.wrappers.pixels import PixelView
from engram.envs.wrappers.symbols import SymbolView

_WALKING = ("left", "right", "forward")


def is_minigrid(env: gym.Env[Any, Any]) -> bool:
    """Return whether an environment is one of MiniGrid's, in whatever wrappers."""
    return isinstance(env.unwrapped, MiniGridEnv)


def is_shown(env: gym.Env[Any, Any]) -> bool:
    """Return whether ``as_seen`` has been at work."""
    while isinstance(env, gym.Wrapper) and not isinstance(env, SymbolView | AsWrapped):
        env = env.env
    return isinstance(env, SymbolView | AsWrapped)


def as_seen(
    env: gym.Env[Any, Any],
    name: str,
    view_size: int | None = None,
    useful_actions: Sequence[str] | None = None,
    pixels: int | None = None,
    odometry: bool = False,
    mission: bool = True,
) -> gym.Env[Any, Any]:
    """Show a MiniGrid environment's symbols, or what its own wrappers show; with its mission where that changes.

    Args:
        env: as it was made.
        name: its id, for messages.
        view_size, useful_actions, pixels, odometry, mission: as in ``make_env``.

    Raises:
        ValueError: if an argument does not fit, or this build of MiniGrid lacks a file that it needs.
    """
    bare = cast(MiniGridEnv, env.unwrapped)
    _check_files(name, bare)
    wrapped = changes_the_view(env)
    if wrapped:
        check_values(env, name)
        for argument, value in (("view_size", view_size), ("pixels", pixels)):
            if value is not None:
                raise ValueError(f"{name}: {argument} is for MiniGrid's own view, but its wrappers show another one")
    elif view_size is not None:
        check_view_size("view_size", view_size, max(bare.width, bare.height))
    words = words_of_missions(bare)  # draws mazes, and so comes after what can be refused without
    if not mission:
        if words is None:
            raise ValueError(f"{name}: mission=false hides what is not shown: its mission never changes")
        words = None
    if isinstance(bare, RoomGridLevel):
        env = QuietReset(env)
    if wrapped:
        env = flattened(AsWrapped(env, words))
    else:
        env = SymbolView(env, view_size)
        if isinstance(bare, MemoryEnv):
            env = CueVisible(env, (1, bare.height // 2 - 1))
    if useful_actions is None:
        useful_actions = getattr(bare, "useful_actions", _WALKING if isinstance(bare, MemoryEnv) else None)
    if useful_actions is not None:
        env = ActionSubset(env, useful_actions)
    if pixels is not None:
        env = PixelView(env, pixels)
    if not wrapped and words is not None:
        env = MissionSeen(env, words)
    return OdometrySeen(env) if odometry else env


def _check_files(name: str, env: MiniGridEnv) -> None:
    """Refuse an environment drawn after a pattern whose file this build of MiniGrid lacks: its reset would fail."""
    pattern = getattr(getattr(env, "config", None), "pattern_path", None)
    if pattern is not None and not Path(pattern).is_file():
        raise ValueError(f"{name} cannot be played: the installed minigrid lacks its file {Path(pattern).name}")
