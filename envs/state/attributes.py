"""The attributes of an env, or of a wrapper without what it wraps, as plain data and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrid.minigrid_env import MiniGridEnv

from engram.envs.state.left_out import state_of
from engram.envs.state.likeness import could_stand_for
from engram.envs.state.plain.kinds import is_number, is_pair
from engram.envs.state.plain.reading import Reader, with_keys
from engram.envs.state.plain.writing import Plain, Writer


def written_attributes(layer: Any, chain: Sequence[Any]) -> dict[str, Plain]:
    """Return the attributes of a layer of an env.

    Args:
        layer: an env, or a wrapper without what it wraps.
        chain: all layers of the env, which may refer to each other.

    Raises:
        UnknownKindError: if one of them is of a kind that cannot be written.
    """
    writer = Writer(chain)
    attributes: dict[str, Plain] = {name: writer.write(value) for name, value in state_of(layer).items()}
    return {"values": attributes, "objects": writer.objects()}


def read_attributes(layer: Any, chain: Sequence[Any], plain: Any) -> dict[str, Any]:
    """Return the attributes that were written, of a kind with those that a layer has after a reset.

    Args:
        layer, chain: as of `written_attributes`, of the env that gets them.
        plain: what `written_attributes` returned.

    Raises:
        ValueError: if they are not those of such a layer (see `Reader` for other errors).
    """
    fields, present = with_keys(plain, ("values", "objects")), state_of(layer)
    values, reader = with_keys(fields["values"], tuple(present)), Reader(fields["objects"], chain)
    read = {name: reader.read(value) for name, value in values.items()}
    same_sizes = type(layer).__module__.startswith("gymnasium.")  # elsewhere an episode may be longer than another
    for name, value in read.items():
        if name == "_np_random" and value is None:
            continue  # nobody has drawn anything yet
        if not could_stand_for(value, present[name], same_sizes):
            raise ValueError(f"{type(layer).__name__}.{name} cannot be {_short(value)}")
    if isinstance(layer, MiniGridEnv):
        _check_grid(layer, read)
    return read


def _check_grid(env: MiniGridEnv, attributes: dict[str, Any]) -> None:
    """Refuse a grid of another size, and an agent outside of it or without a heading."""
    grid, place, heading = (attributes[name] for name in ("grid", "agent_pos", "agent_dir"))
    size = (env.width, env.height)
    if (grid.width, grid.height) != size or len(grid.grid) != env.width * env.height:
        raise ValueError(f"{type(env).__name__} is a grid of {env.width} x {env.height} cells, the state is not")
    is_inside = is_pair(place) and all(0 <= cell < length for cell, length in zip(place, size, strict=True))
    if not is_inside or not is_number(heading) or heading not in range(4):
        raise ValueError(f"{type(env).__name__}: an agent at {_short(place)} that looks to {_short(heading)}")


def _short(value: Any) -> str:
    return " ".join(f"{value!r:.60}".split())
