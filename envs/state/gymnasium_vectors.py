"""The state of a vector environment of Gymnasium, layer by layer."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import SyncVectorEnv, VectorWrapper

from engram.envs.gymnasium_vector import GymnasiumVecEnv
from engram.envs.state.attributes import read_attributes, written_attributes
from engram.envs.state.places import Places, put_back, written_places
from engram.envs.state.plain.reading import as_list, with_keys
from engram.envs.state.plain.writing import Plain, UnknownKindError
from engram.envs.state.single import Restored, env_state, restore_env

_KEYS = ("wrappers", "envs", "places")


def vectors_state(vec_env: GymnasiumVecEnv) -> dict[str, Plain] | None:
    """Return the state of each env, and of the wrappers around all; None if nothing is known of one of these."""
    wrappers, bare = _layers(vec_env)
    if not isinstance(bare, SyncVectorEnv) or not all(_is_known(wrapper) for wrapper in wrappers):
        return None
    try:
        of_wrappers: list[Plain] = [written_attributes(wrapper, wrappers) for wrapper in wrappers]
    except UnknownKindError:
        return None
    envs: list[Plain] = [env_state(env) for env in bare.envs]
    return {"wrappers": of_wrappers, "envs": envs, "places": written_places(_places(vec_env, bare))}


def restore_vectors(vec_env: GymnasiumVecEnv, state: Any) -> list[Restored]:
    """Bring each env, and the wrappers around all, to where others stood.

    Raises:
        ValueError: if it is not the state of such envs (see `Reader` for other errors).
    """
    wrappers, bare = _layers(vec_env)
    if not isinstance(bare, SyncVectorEnv):
        raise ValueError(f"the state of {type(bare).__name__} cannot be set")
    fields = with_keys(state, _KEYS)
    of_wrappers, of_envs = as_list(fields["wrappers"]), as_list(fields["envs"])
    if (len(of_wrappers), len(of_envs)) != (len(wrappers), vec_env.num_envs):
        raise ValueError(f"there are {vec_env.num_envs} envs in {len(wrappers)} wrappers, the state has others")
    vec_env.reset()  # so that all attributes are there
    read = [read_attributes(wrapper, wrappers, one) for wrapper, one in zip(wrappers, of_wrappers, strict=True)]
    restored = [restore_env(env, one) for env, one in zip(bare.envs, of_envs, strict=True)]
    for wrapper, values in zip(wrappers, read, strict=True):
        vars(wrapper).update(values)
    put_back(_places(vec_env, bare), fields["places"])
    for row, one in enumerate(restored):
        if one.begun is not None:  # what had ended begins no second time
            vec_env.begins[row] = bare._autoreset_envs[row] = False
    return restored


def _layers(vec_env: GymnasiumVecEnv) -> tuple[list[VectorWrapper], Any]:
    wrappers, env = list[VectorWrapper](), vec_env.env
    while isinstance(env, VectorWrapper):
        wrappers.append(env)
        env = env.env
    return wrappers, env


def _is_known(wrapper: VectorWrapper) -> bool:
    return type(wrapper).__module__.startswith("gymnasium.wrappers.")


def _places(vec_env: GymnasiumVecEnv, bare: Any) -> Places:
    return {"begins": (vec_env, "begins"), "ended": (bare, "_autoreset_envs")}
