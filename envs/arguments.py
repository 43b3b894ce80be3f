"""Arguments that the factory refuses before it builds anything, each in one line with what would be right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.checks import MOST_SIDE, MOST_VIEW, is_int, is_number


def _seed(value: object) -> bool:
    return is_int(value) and bool(value >= 0)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _module(value: object) -> bool:
    return isinstance(value, str) and value[:1] not in ("", ".")


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _names(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_text, value))


def _by_name(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_text, value))


_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "env_id": (_text, "the id of an environment, a text"),
    "n_envs": (is_int, "a whole number"),
    "seed": (_seed, "a whole number of at least 0, or None"),
    "view_size": (is_int, "a whole number, or None"),
    "useful_actions": (_names, "a list of names, or None"),
    "pixels": (is_int, "a whole number, or None"),
    "odometry": (_truth, "true or false"),
    "mission": (_truth, "true or false"),
    "previous_reward": (_truth, "true or false"),
    "random_actions": (is_number, "a number"),
    "kwargs": (_by_name, "a dictionary of arguments by name, or None"),
    "module": (_module, "the name of a module, or None"),
    "subprocess": (_truth, "true or false"),
    "monitor": (_truth, "true or false"),
}

# MiniGrid's own environments build their grid at once, whatever its size.
_LARGEST = {"size": MOST_SIDE, "width": MOST_SIDE, "height": MOST_SIDE, "agent_view_size": MOST_VIEW}


def check_kinds(arguments: Mapping[str, Any]) -> None:
    """Refuse an argument of `make_env` or `make_vec_env` that is of another kind.

    Args:
        arguments: by name; others than those are ignored.

    Raises:
        ValueError: if there is one.
    """
    for name, value in arguments.items():
        fits, right = _KINDS.get(name, (None, ""))
        if fits and not fits(value) and not (value is None and right.endswith("or None")):
            raise ValueError(f"{name}={value!r} must be {right}")


def check_environment(env_id: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that a registered environment would accept, but not handle.

    Args:
        env_id: its id.
        kwargs: its arguments.

    Raises:
        ValueError: if it has no such render mode, or is a MiniGrid too large to build.
    """
    creator = creator_of(env_id)
    if isinstance(creator, type) and issubclass(creator, MiniGridEnv):
        for name, most in _LARGEST.items():
            value: Any = kwargs.get(name)
            if is_int(value) and value > most:
                raise ValueError(f"{env_id}: {name}={value} must be at most {most}")
    mode, modes = kwargs.get("render_mode"), render_modes(env_id)
    # Gymnasium itself turns "rgb_array" into "rgb_array_list".
    if mode is None or modes is None or (isinstance(mode, str) and mode.removesuffix("_list") in modes):
        return
    right = f"one of {', '.join(modes)}, or None" if modes else "None: it draws nothing"
    raise ValueError(f"{env_id}: render_mode={mode!r} must be {right}")


def render_modes(env_id: str) -> list[str] | None:
    """Return the render modes of a registered environment; None if it does not say."""
    modes: list[str] | None = getattr(creator_of(env_id), "metadata", {}).get("render_modes")
    return modes


def creator_of(env_id: str) -> Any:
    """Return what makes an environment that is registered: its class, in most cases."""
    entry_point = gym.spec(env_id).entry_point
    return load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
