"""The state of envs in mid-episode, with the wrappers around a VecEnv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from engram.envs.state.places import put_back, written_places
from engram.envs.state.plain.reading import as_list, as_mapping, refused, with_keys
from engram.envs.state.plain.writing import Plain
from engram.envs.state.vec_envs import restore_vec_env, vec_env_state
from engram.envs.state.wrappers import begin_row, places_of


class Restored(NamedTuple):
    """How envs came out of `restore`."""

    lines: list[str]
    """To be printed: what could not be restored exactly."""
    begun: dict[int, Any]
    """By row, the first observations of the episodes that had to begin anew, as the outermost wrapper shows them."""


def get_state(env: VecEnv) -> dict[str, Plain]:
    """Return the state of envs in mid-episode, in whatever wrappers of Stable-Baselines3, as plain data.

    It holds all that decides how this episode and all later ones go on: where everything stands, the generators, the
    seeds that wait for their episodes, the layouts seen, what was counted and summed, the actions that are held.

    Of envs of this project, MiniGrid, and Gymnasium's classic control it is read from their attributes. An env or a
    wrapper that has methods ``get_state()``, which returns plain data, and ``set_state(state)`` is asked. Of other envs
    that ``make_env`` has made it is what their episode began from, and the actions since.

    Args:
        env: B envs, each in an episode.
    """
    *wrappers, bare = _layers(env)
    of_wrappers: list[Plain] = [_wrapper_state(wrapper) for wrapper in wrappers]
    return {"wrappers": of_wrappers, "envs": vec_env_state(bare)}


def set_state(env: VecEnv, state: Mapping[str, Plain]) -> list[str]:
    """Let envs go on, bit for bit, as those would have gone on whose state was asked; see `restore`.

    Args:
        env: B envs that were made with the same arguments, wherever they stand.
        state: what `get_state` returned.

    Returns:
        Lines to print: what could not be restored exactly.

    Raises:
        ValueError: one line, if it is not the state of such envs. Some of them may have been set then.
    """
    return restore(env, state).lines


def restore(env: VecEnv, state: Mapping[str, Plain]) -> Restored:
    """Let envs go on, bit for bit, as those would have gone on whose state was asked.

    Where that cannot be, an env begins a new episode. The state may come from a damaged or a hostile file: it holds
    numbers and names that are looked up in fixed tables, and is held to what the envs have.

    Args:
        env, state: as of `set_state`.

    Raises:
        ValueError: as `set_state`.
    """
    *wrappers, bare = _layers(env)
    try:
        with refused():
            fields = with_keys(state, ("wrappers", "envs"))
            of_wrappers = [as_mapping(one) for one in as_list(fields["wrappers"])]
            classes = [type(wrapper).__name__ for wrapper in wrappers]
            if [one.get("class") for one in of_wrappers] != classes:
                raise ValueError(f"the wrappers around the envs are {', '.join(classes) or 'none'}")
            restored = restore_vec_env(bare, fields["envs"])
            known = [_put_wrapper_back(*pair) for pair in zip(wrappers, of_wrappers, strict=True)]
    except ValueError as error:
        raise ValueError(f"this is no state of these envs: {error}") from error
    begun = {row: one.begun[0] for row, one in restored.items() if one.begun is not None}
    for wrapper in reversed(wrappers):
        begun = {row: begin_row(wrapper, row, observation) for row, observation in begun.items()}
    names = [type(wrapper).__name__ for wrapper, is_known in zip(wrappers, known, strict=True) if not is_known]
    lines = [f"what {name} holds could not be restored: nothing is known of it" for name in names]
    return Restored(_lines_of_begun({row: one.name for row, one in restored.items()}) + lines, begun)


def _layers(env: VecEnv) -> Iterator[Any]:
    while isinstance(env, VecEnvWrapper):
        yield env
        env = env.venv
    yield env


def _wrapper_state(wrapper: VecEnvWrapper) -> dict[str, Plain]:
    places = places_of(wrapper)
    return {"class": type(wrapper).__name__, "places": None if places is None else written_places(places)}


def _put_wrapper_back(wrapper: VecEnvWrapper, state: Mapping[str, Any]) -> bool:
    """Put back what a wrapper held; return whether that is known."""
    places, fields = places_of(wrapper), with_keys(state, ("class", "places"))
    if places is not None:
        put_back(places, fields["places"])
    elif fields["places"] is not None:
        raise ValueError(f"a {type(wrapper).__name__} takes no state")
    return places is not None


def _lines_of_begun(names: dict[int, str]) -> list[str]:
    """Return a line for each kind of env that began a new episode."""
    lines = []
    for name in dict.fromkeys(names.values()):
        rows = [row for row in names if names[row] == name]
        if len(rows) == 1:
            lines.append(f"env {rows[0]}: {name} could not be brought back to where it stood; it began a new episode")
        else:
            lines.append(
                f"envs {_ranges(rows)}: {name} could not be brought back to where they stood; they began new episodes"
            )
    return lines


def _ranges(rows: list[int]) -> str:
    """Return numbers in order, such as "0-3, 7"."""
    starts = [row for row in rows if row - 1 not in rows]
    ends = [row for row in rows if row + 1 not in rows]
    return ", ".join(str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True))
