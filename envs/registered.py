"""An environment by its id, as it is registered; what is wrong is said in one line."""

import difflib
from typing import Any

import gymnasium as gym

from engram.envs.arguments import check_environment
from engram.envs.user_module import import_user_module


def make_registered(env_id: str, kwargs: dict[str, Any], module: str | None) -> gym.Env[Any, Any]:
    """Make an environment as it is registered.

    Args:
        env_id: its id.
        kwargs: its own arguments.
        module: to import first, so that its ids are registered.

    Raises:
        ValueError: if the id, the module or an argument does not exist.
    """
    if module is not None:
        import_user_module(module)
    try:
        gym.spec(env_id)
    except gym.error.Error as error:
        close = difflib.get_close_matches(env_id, gym.registry, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "is the module that registers it named in module=?"
        raise ValueError(f"no environment is registered as {env_id!r}: {hint}") from error
    check_environment(env_id, kwargs)
    try:
        return gym.make(env_id, disable_env_checker=True, **kwargs)
    except (TypeError, AssertionError, MemoryError, OverflowError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
        reason = str(error).split(" was raised from the environment creator")[0] or "it does not take that"
        raise ValueError(f"{env_id} cannot be made with {given or 'no arguments'}: {reason}") from error
