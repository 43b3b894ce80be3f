"""Tasks that draw how hard an episode is: what is trained on a range is tested at its hard end."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import gymnasium as gym

from engram.envs.arguments import creator_of
from engram.envs.registered import full_id


def curriculum(env_id: str, kwargs: Mapping[str, Any], module: str | None = None) -> dict[str, tuple[int, int]]:
    """Return the arguments that are drawn anew for each episode: by name the easiest and the hardest value.

    Args:
        env_id, kwargs, module: as in ``make_env``.

    Raises:
        ValueError: if the id or the module does not exist.
    """
    creator = creator_of(full_id(env_id, module))
    names: Sequence[str] = getattr(creator, "curriculum", ())
    ranges = {name: tuple(kwargs[name]) for name in names if isinstance(kwargs.get(name), Sequence)}
    for easier, name in _eased(creator).items():
        if kwargs.get(easier) is not None:
            ranges[name] = kwargs[easier], _value(env_id, kwargs, name, module)[1]
    return ranges


def hardest(env_id: str, kwargs: Mapping[str, Any], module: str | None = None) -> dict[str, Any]:
    """Return arguments in which nothing is drawn by difficulty: of every range its hardest value, and nothing eased.

    Args:
        env_id, kwargs, module: as in ``make_env``.

    Raises:
        ValueError: if the id or the module does not exist.
    """
    eased = _eased(creator_of(full_id(env_id, module)))
    ranges = curriculum(env_id, kwargs, module).items()
    hard = {**kwargs, **{name: most for name, (_, most) in ranges if name not in eased.values()}}
    return {name: value for name, value in hard.items() if name not in eased}


def _value(env_id: str, kwargs: Mapping[str, Any], name: str, module: str | None) -> Any:
    """Return an argument as it is given, else as the id is registered with it, else its default."""
    registered = gym.spec(full_id(env_id, module)).kwargs
    default = signature(creator_of(full_id(env_id, module))).parameters[name].default
    return kwargs.get(name, registered.get(name, default))


def _eased(creator: Any) -> Mapping[str, str]:
    """Return by the arguments of a task that are for training alone those that they make easier."""
    eased: Mapping[str, str] = getattr(creator, "eased", {})
    return eased
