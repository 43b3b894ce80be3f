"""Tasks that draw how hard an episode is: what is trained on a range is tested at its hard end."""

from collections.abc import Mapping, Sequence
from typing import Any

from engram.envs.arguments import creator_of
from engram.envs.registered import full_id


def curriculum(env_id: str, kwargs: Mapping[str, Any], module: str | None = None) -> dict[str, tuple[int, int]]:
    """Return the arguments that are drawn anew for each episode: by name the easiest and the hardest value.

    Args:
        env_id, kwargs, module: as in ``make_env``.

    Raises:
        ValueError: if the id or the module does not exist.
    """
    names: Sequence[str] = getattr(creator_of(full_id(env_id, module)), "curriculum", ())
    return {name: tuple(kwargs[name]) for name in names if isinstance(kwargs.get(name), Sequence)}


def hardest(env_id: str, kwargs: Mapping[str, Any], module: str | None = None) -> dict[str, Any]:
    """Return arguments in which nothing is drawn by difficulty: of every range its hardest value.

    Args:
        env_id, kwargs, module: as in ``make_env``.

    Raises:
        ValueError: if the id or the module does not exist.
    """
    return {**kwargs, **{name: most for name, (_, most) in curriculum(env_id, kwargs, module).items()}}
