"""An environment by its id, as it is registered; what is wrong is said in one line."""

import difflib
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, get_env_id, parse_env_id

from engram.envs.arguments import check_environment, render_modes
from engram.envs.user_module import import_user_module

_REGISTERED_BY = {"popgym-": "popgym", "ALE/": "ale_py"}
"""Beginnings of ids, and the modules to import for them."""


def full_id(env_id: str, module: str | None = None) -> str:
    """Return the id under which an environment is registered, as ``gym.make`` would find it.

    Args:
        env_id: an id, also one with the module that registers it ("package:Id-v0"), or without a version: the latest.
        module: to import first, so that its ids are registered.

    Raises:
        ValueError: if the id or a module does not exist.
    """
    named, _, name = env_id.rpartition(":")
    for one in (module, named):
        if one:
            import_user_module(one)
    try:
        namespace, bare_name, version = parse_env_id(name)
        if version is None and name not in gym.registry:
            version = find_highest_version(namespace, bare_name)
            name = get_env_id(namespace, bare_name, version)
        gym.spec(name)
    except gym.error.Error as error:
        raise ValueError(f"no environment is registered as {env_id!r}: {_hint(name, module or named)}") from error
    return name


def _hint(env_id: str, module: str | None) -> str:
    of_suite = [one for start, one in _REGISTERED_BY.items() if env_id.startswith(start)]
    if of_suite and of_suite[0] != module:
        return f"the module that registers such ids is {of_suite[0]!r}; name it in module="
    close = difflib.get_close_matches(env_id, gym.registry, n=3, cutoff=0.75)
    hint = f"did you mean {' or '.join(close)}? or, " if close else ""
    if module:
        return hint.strip() or f"{module} registers no such id"
    return f"{hint}if it is of a package, name the module that registers it in module="


def make_registered(env_id: str, kwargs: dict[str, Any], module: str | None) -> gym.Env[Any, Any]:
    """Make an environment as it is registered.

    Args:
        env_id: its id, see `full_id`.
        kwargs: its own arguments.
        module: to import first, so that its ids are registered.

    Raises:
        ValueError: if the id, the module or an argument does not exist.
    """
    env_id = full_id(env_id, module)
    check_environment(env_id, kwargs)
    try:
        return gym.make(env_id, disable_env_checker=True, **kwargs)
    except (TypeError, AssertionError, MemoryError, OverflowError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
        reason = str(error).split(" was raised from the environment creator")[0] or "it does not take that"
        raise ValueError(f"{env_id} cannot be made with {given or 'no arguments'}: {reason}") from error


def make_drawing(env_id: str) -> gym.Env[Any, Any]:
    """Make an environment with no arguments of its own, such that it can be drawn as an image, if it can.

    Raises:
        ValueError: as ``make_registered``.
    """
    env_id = full_id(env_id)
    modes = render_modes(env_id)
    return make_registered(env_id, {"render_mode": "rgb_array"} if modes and "rgb_array" in modes else {}, None)
