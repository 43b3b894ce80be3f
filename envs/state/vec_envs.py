"""The state of many envs, by the kind of VecEnv that steps them; without wrappers around it."""

from __future__ import annotations

import copy
from typing import Any, cast

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from engram.envs.batched.tmaze import TMazeVecEnv
from engram.envs.batched.vec_env import BatchedVecEnv
from engram.envs.device.vec_env import TensorVecEnv
from engram.envs.gymnasium_vector import GymnasiumVecEnv
from engram.envs.state.action_spaces import ActionGenerators, action_generators
from engram.envs.state.gymnasium_vectors import restore_vectors, vectors_state
from engram.envs.state.plain.reading import as_list, read, with_keys
from engram.envs.state.plain.writing import Plain, UnknownKindError, is_plain, written
from engram.envs.state.single import Restored, env_state, restore_env
from engram.envs.state.tensors import restore_tensors, tensors_state
from engram.envs.state.worker import restore_workers, workers_state

_KEYS = ("class", "num_envs", "inside", "action_spaces", "reset_infos", "seeds", "options")


def vec_env_state(vec_env: VecEnv) -> dict[str, Plain]:
    """Return the state of a VecEnv that is no wrapper."""
    infos: list[Plain] = [_written_or_none(info) for info in vec_env.reset_infos]
    return {
        "class": type(vec_env).__name__,
        "num_envs": vec_env.num_envs,
        "inside": _inside(vec_env),
        "action_spaces": action_generators([vec_env]),
        "reset_infos": infos,
        "seeds": written(list(vec_env._seeds)),
        "options": _written_or_none(vec_env._options),
    }


def restore_vec_env(vec_env: VecEnv, state: Any) -> dict[int, Restored]:
    """Bring the envs of a VecEnv that is no wrapper to where others stood.

    Returns:
        By their rows, the envs that could not be brought there, with the first observations of their new episodes.

    Raises:
        ValueError: if it is not the state of such envs (see `Reader` for other errors).
    """
    fields, n_envs = with_keys(state, _KEYS), vec_env.num_envs
    if (fields["class"], fields["num_envs"]) != (type(vec_env).__name__, n_envs):
        raise ValueError(f"there are {n_envs} envs in a {type(vec_env).__name__}, the state is of others")
    infos = [None if info is None else read(info) for info in as_list(fields["reset_infos"])]
    seeds: Any = read(fields["seeds"])
    options: Any = None if fields["options"] is None else read(fields["options"])
    generators = ActionGenerators([vec_env], fields["action_spaces"])
    is_of_each = len(infos) == n_envs and all(isinstance(info, dict | None) for info in infos)
    if not is_of_each or not _are_seeds(seeds, n_envs) or not _are_options(options, n_envs):
        raise ValueError(f"reset_infos, seeds and options have to be those of {n_envs} envs")
    restored = _restore_inside(vec_env, fields["inside"], [info or {} for info in infos])
    begun = {row: one for row, one in enumerate(restored) if one.begun is not None}
    vec_env.reset_infos = [info or {} for info in infos]
    vec_env._seeds = seeds
    if options is not None:
        vec_env._options = options
    for row, one in begun.items():
        assert one.begun is not None
        vec_env.reset_infos[row] = one.begun[1]
    generators.put_back()
    return begun


def _inside(vec_env: VecEnv) -> Plain:
    """Return the state of what a VecEnv steps; None if it cannot be told."""
    match vec_env:
        case TMazeVecEnv():
            envs: list[Plain] = [env_state(env) for env in vec_env.envs]
            return {"envs": envs, "standing": vec_env.standing()}
        case DummyVecEnv():
            return [env_state(env) for env in vec_env.envs]
        case SubprocVecEnv():
            return workers_state(vec_env)
        case TensorVecEnv():
            return tensors_state(vec_env)
        case GymnasiumVecEnv():
            return vectors_state(vec_env)
    untyped: Any = vec_env
    if _has_own(vec_env):
        own = untyped.get_state()
        return copy.deepcopy(own) if is_plain(own) else None
    return None


def _restore_inside(vec_env: VecEnv, inside: Any, reset_infos: list[dict[str, Any]]) -> list[Restored]:
    """Bring the envs to where others stood; return how each came out of it."""
    rows, untyped = range(vec_env.num_envs), cast(Any, vec_env)
    if inside is None and not isinstance(vec_env, DummyVecEnv | TensorVecEnv):
        return _begun_anew(vec_env)
    match vec_env:
        case TMazeVecEnv():
            fields = with_keys(inside, ("envs", "standing"))
            standing = fields["standing"]
            if not isinstance(standing, np.ndarray) or (standing.dtype, standing.shape) != (np.int64, (3, len(rows))):
                raise ValueError(f"where T-Mazes stand has to be an array of int64 (3, {len(rows)})")
            restored = _each_restored(vec_env, fields["envs"])
            vec_env.go_on_from(standing)
            return restored
        case DummyVecEnv():
            restored = _each_restored(vec_env, inside)
            if isinstance(vec_env, BatchedVecEnv):
                vec_env.go_on_from_envs()
            return restored
        case SubprocVecEnv():
            return restore_workers(vec_env, inside, reset_infos)
        case TensorVecEnv():
            restore_tensors(vec_env, inside)
        case GymnasiumVecEnv():
            return restore_vectors(vec_env, inside)
        case _ if _has_own(vec_env):
            untyped.set_state(copy.deepcopy(inside))
        case _:
            raise ValueError(f"a {type(vec_env).__name__} takes no state")
    return [Restored(type(vec_env).__name__, None) for _ in rows]


def _each_restored(vec_env: DummyVecEnv, states: Any) -> list[Restored]:
    return [restore_env(env, state) for env, state in zip(vec_env.envs, _of_each(vec_env, states), strict=True)]


def _of_each(vec_env: VecEnv, states: Any) -> list[Any]:
    if len(as_list(states)) != vec_env.num_envs:
        raise ValueError(f"there are {vec_env.num_envs} envs, the state is of {len(states)}")
    return list(states)


def _begun_anew(vec_env: VecEnv) -> list[Restored]:
    """Begin a new episode in all envs."""
    observations: Any = vec_env.reset()
    firsts = [
        {key: part[row] for key, part in observations.items()} if isinstance(observations, dict) else observations[row]
        for row in range(vec_env.num_envs)
    ]
    name = type(vec_env).__name__
    return [Restored(name, (first, info)) for first, info in zip(firsts, vec_env.reset_infos, strict=True)]


def _has_own(vec_env: Any) -> bool:
    return callable(getattr(vec_env, "get_state", None)) and callable(getattr(vec_env, "set_state", None))


def _written_or_none(value: Any) -> Plain:
    try:
        return written(value)
    except UnknownKindError:
        return None


def _are_seeds(seeds: Any, n_envs: int) -> bool:
    return isinstance(seeds, list) and len(seeds) == n_envs and all(type(one) in (int, type(None)) for one in seeds)


def _are_options(options: Any, n_envs: int) -> bool:
    if options is None:  # they could not be written
        return True
    return isinstance(options, list) and len(options) == n_envs and all(isinstance(one, dict) for one in options)
