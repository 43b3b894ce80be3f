"""A MiniGrid environment behind wrappers that change what is seen: it is shown as they show it."""

from __future__ import annotations

import warnings
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FilterObservation
from minigrid.core.mission import MissionSpace
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import (
    DictObservationSpaceWrapper,
    DirectionObsWrapper,
    FullyObsWrapper,
    OneHotPartialObsWrapper,
    RGBImgObsWrapper,
    RGBImgPartialObsWrapper,
    SymbolicObsWrapper,
    ViewSizeWrapper,
)

from engram.envs.wrappers.symbols import HIGHEST, report_success
from engram.envs.wrappers.words import Words

_PICTURES = (RGBImgObsWrapper, RGBImgPartialObsWrapper)
_DRAWING = (*_PICTURES, OneHotPartialObsWrapper, SymbolicObsWrapper, FullyObsWrapper, ViewSizeWrapper)
"""MiniGrid's wrappers that draw the image anew, whatever is behind them; the first two are the only pictures."""


def changes_the_view(env: gym.Env[Any, Any]) -> bool:
    """Return whether a MiniGrid environment, or wrappers around it, show anything else than MiniGrid's own view."""
    bare: Any = env.unwrapped
    return env.observation_space != bare.observation_space or not _draws_as_minigrid(env)


def _draws_as_minigrid(env: gym.Env[Any, Any]) -> bool:
    bare: Any = env.unwrapped
    return type(bare).gen_obs is MiniGridEnv.gen_obs


def check_values(env: gym.Env[Any, Any], name: str) -> None:
    """Refuse wrappers of MiniGrid that show what they do not announce.

    A slope is infinite wherever the goal is straight above or below. A picture of the view is drawn of the env's own
    view, whatever the wrappers behind it show, and one-hot is drawn of symbols alone.

    Raises:
        ValueError: if there is such a wrapper; the message says what to do.
    """
    if any(isinstance(one, DirectionObsWrapper) and one.type == "slope" for one in _wrappers(env)):
        raise ValueError(
            f"{name}: DirectionObsWrapper shows an infinite slope where the goal is straight above or below the agent,"
            " and nothing can be learned from that; make it with type='angle'"
        )
    bare: Any = env.unwrapped
    for one in _wrappers(env):
        cells = _image_of(one.env.observation_space)
        side = bare.agent_view_size
        if isinstance(one, RGBImgPartialObsWrapper) and cells is not None and cells.shape[:2] != (side, side):
            raise ValueError(
                f"{name}: RGBImgPartialObsWrapper draws the env's own view of {side} x {side} cells, but behind it are"
                f" {cells.shape[0]} x {cells.shape[1]}; set the view by agent_view_size of the env, or take"
                " RGBImgObsWrapper for the whole grid"
            )
        if isinstance(one, OneHotPartialObsWrapper) and isinstance(
            _drawn_by(one.env), (*_PICTURES, SymbolicObsWrapper)
        ):
            raise ValueError(
                f"{name}: OneHotPartialObsWrapper is for symbols, but behind it is"
                f" {type(_drawn_by(one.env)).__name__}; leave one of them out"
            )


class AsWrapped(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Shows a MiniGrid environment as its own wrappers do, and puts ``is_success`` into its info.

    Symbols get their true bounds, so that nothing takes them for a picture: MiniGrid's wrappers say 255. That is so
    behind Gymnasium's FilterObservation, too; of others nobody knows what they make of symbols. The mission is shown
    as numbers of its words if it changes from episode to episode, and left out otherwise.

    Args:
        env: a MiniGrid environment in wrappers that change its observation.
        words: the space of its missions, see ``words_of_missions``.
    """

    def __init__(self, env: gym.Env[Any, Any], words: Words | None):
        gym.utils.RecordConstructorArgs.__init__(self, words=words)
        super().__init__(env)
        self._words = words
        self._offset = 0
        space = env.observation_space
        if isinstance(space, spaces.Dict):
            parts = {key: part for key, part in space.spaces.items() if not self._is_mission(key, part)}
            if words is not None and len(parts) < len(space.spaces):
                parts["mission"] = words
            if "image" in parts:
                parts["image"] = self._bounded(parts["image"])
            self.observation_space = spaces.Dict(parts)
        else:
            self.observation_space = self._bounded(space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._shown(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        report_success(info, float(reward), terminated, truncated)
        return self._shown(observation), reward, terminated, truncated, info

    def _shown(self, observation: Any) -> Any:
        if not isinstance(self.observation_space, spaces.Dict):
            return observation + self._offset if self._offset else observation
        bare: Any = self.env.unwrapped
        shown = {key: observation[key] for key in self.observation_space.spaces if key != "mission"}
        if "mission" in self.observation_space.spaces and self._words is not None:
            shown["mission"] = self._words.numbers_of(bare.mission)
        if self._offset:
            shown["image"] = shown["image"] + self._offset
        return shown

    def _is_mission(self, key: str, space: spaces.Space[Any]) -> bool:
        is_text = isinstance(space, MissionSpace | spaces.Text)
        is_numbers = any(isinstance(one, DictObservationSpaceWrapper) for one in _wrappers(self.env))
        return key == "mission" and (is_text or is_numbers)

    def _bounded(self, space: spaces.Space[Any]) -> spaces.Space[Any]:
        """Return the space of an image, with its true bounds if it is one of MiniGrid's symbols."""
        drawn_by = _drawn_by(self.env)
        if not isinstance(space, spaces.Box) or isinstance(drawn_by, _PICTURES):
            return space
        if len(space.shape) != 3 and space.dtype == np.uint8 and _draws_as_minigrid(self.env):
            warnings.warn(
                f"MiniGrid's symbols are shown as bytes of shape {space.shape}, and are read as amounts: leave out the"
                " wrapper that reshapes them, and each is learned for itself",
                stacklevel=2,
            )
        if len(space.shape) != 3 or not _all_of_minigrid(self.env):
            return space
        if isinstance(drawn_by, SymbolicObsWrapper):  # (x, y, what is there), -1 for nothing
            self._offset = 1
            return spaces.Box(0, space.high + 1, dtype=space.dtype.type)
        if isinstance(drawn_by, OneHotPartialObsWrapper):
            return spaces.Box(0, 1, space.shape, np.uint8)
        high = np.broadcast_to(np.array(HIGHEST, dtype=np.uint8), space.shape)
        return spaces.Box(np.zeros_like(high), high.copy(), dtype=np.uint8)


def _wrappers(env: gym.Env[Any, Any]) -> list[gym.Wrapper[Any, Any, Any, Any]]:
    found = []
    while isinstance(env, gym.Wrapper):
        found.append(env)
        env = env.env
    return found


def _drawn_by(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Return the outermost of MiniGrid's wrappers that draws the image, or the bare env, which draws its symbols."""
    return next((one for one in _wrappers(env) if isinstance(one, _DRAWING)), env.unwrapped)


def _image_of(space: spaces.Space[Any]) -> spaces.Box | None:
    image = space.spaces.get("image") if isinstance(space, spaces.Dict) else space
    return image if isinstance(image, spaces.Box) else None


def _all_of_minigrid(env: gym.Env[Any, Any]) -> bool:
    """Return whether all that changes the view is MiniGrid's, or chooses keys: then it is known what an image holds."""
    changing = (one for one in _wrappers(env) if one.observation_space != one.env.observation_space)
    return all(type(one).__module__.startswith("minigrid.") or isinstance(one, FilterObservation) for one in changing)
