"""The state of a single env, layer by layer: each wrapper, and the env within."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium as gym
from minigrid.minigrid_env import MiniGridEnv
from stable_baselines3.common.monitor import Monitor

from engram.envs.batched.vec_env import layers
from engram.envs.state.action_spaces import ActionGenerators, action_generators, generator_of
from engram.envs.state.attributes import read_attributes, written_attributes
from engram.envs.state.plain.reading import as_list, as_mapping, read_generator, with_keys
from engram.envs.state.plain.writing import Plain, UnknownKindError, is_plain
from engram.envs.state.recording import Recorded
from engram.envs.tasks.sequences.sequence_task import SequenceTask
from engram.envs.tasks.tmaze.env import TMaze
from engram.envs.wrappers.symbols import SymbolView

Env = gym.Env[Any, Any]

_KNOWN = ("engram.", "minigrid.", "gymnasium.wrappers.", "gymnasium.envs.classic_control.")
"""Packages whose envs and wrappers keep in their attributes all that changes."""
_KNOWN_CLASSES = (MiniGridEnv, SequenceTask, TMaze, Monitor)
"""Classes of which that holds for those derived from them, too."""
_OWN, _READ, _RECORDED, _UNKNOWN = "own", "attributes", "recording", "generator"
"""What the state of a layer consists of, beside its class."""


class Restored(NamedTuple):
    """How an env came out of `restore_env`."""

    name: str
    """Its id, or its class."""
    begun: tuple[Any, dict[str, Any]] | None
    """Observation and info of the new episode that it had to begin; None if it stands where the other one stood."""


def is_known(env: Env) -> bool:
    """Return whether the state of an env can be told layer by layer, so that nothing (more) need be recorded."""
    return all(isinstance(layer, Recorded) or _has_own(layer) or _keeps_attributes(layer) for layer in _chain(env))


def env_state(env: Env) -> dict[str, Plain]:
    """Return the state of an env in mid-episode."""
    chain = _chain(env)
    of_layers: list[Plain] = [_layer_state(layer, chain) for layer in chain]
    return {"layers": of_layers, "action_spaces": action_generators(layers(env))}


def restore_env(env: Env, state: Any) -> Restored:
    """Bring an env to where another one of its kind stood; where that cannot be, let it begin a new episode.

    Args:
        env: made as the other was; it also begins an episode meanwhile.
        state: of the other, as `env_state` returned it.

    Raises:
        ValueError: if it is not the state of such an env (see `Reader` for other errors).
    """
    fields, chain = with_keys(state, ("layers", "action_spaces")), _chain(env)
    states = [as_mapping(one) for one in as_list(fields["layers"])]
    classes = [type(layer).__name__ for layer in chain]
    if [one.get("class") for one in states] != classes:
        raise ValueError(f"{_name(env)} consists of {', '.join(classes)}, the state does not")
    generators = ActionGenerators(layers(env), fields["action_spaces"])
    _below_monitors(env).reset()  # so that all attributes are there
    attributes = [_read(layer, chain, one) for layer, one in zip(chain, states, strict=True)]
    is_exact = True
    for layer, one, values in zip(chain, states, attributes, strict=True):
        vars(layer).update(values or {})
        is_exact &= _bring(layer, one) and values is not None
    for layer in chain:
        if isinstance(layer, SymbolView) and layer.encoder is not None:
            layer.encoder.renew()
        elif isinstance(layer, Monitor) and not is_exact:
            layer.needs_reset = True
    begun = None if is_exact else env.reset()
    generators.put_back()
    return Restored(_name(env), begun)


def _layer_state(layer: Env, chain: list[Env]) -> Plain:
    name = type(layer).__name__
    if isinstance(layer, Recorded):
        return {"class": name, _RECORDED: layer.recording()}
    if _has_own(layer):
        untyped: Any = layer
        own = untyped.get_state()
        if is_plain(own):
            return {"class": name, _OWN: copy.deepcopy(own), _UNKNOWN: generator_of(layer)}
    elif _keeps_attributes(layer):
        try:
            return {"class": name, _READ: written_attributes(layer, chain)}
        except UnknownKindError:
            pass
    return {"class": name, _UNKNOWN: generator_of(layer)}


def _read(layer: Env, chain: list[Env], state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the attributes of a layer, if it has some; None if they are not those of a class that a user has derived.

    One that gets attributes only while it is stepped is no reason to refuse a state.
    """
    try:
        return read_attributes(layer, chain, state[_READ]) if _READ in state else {}
    except ValueError:
        if type(layer).__module__.startswith((*_KNOWN, "stable_baselines3.")):
            raise
        return None


def _bring(layer: Env, state: Mapping[str, Any]) -> bool:
    """Bring a layer, whose attributes are set, to where it stood; return whether it stands there."""
    match dict(state):
        case {"class": _, "recording": recording, **rest} if not rest and isinstance(layer, Recorded):
            return recording is not None and layer.play_again(recording)
        case {"class": _, "own": own, "generator": generator, **rest} if not rest and _has_own(layer):
            _set_generator(layer, generator)
            untyped: Any = layer
            untyped.set_state(copy.deepcopy(own))
            return True
        case {"class": _, "attributes": _, **rest} if not rest and _keeps_attributes(layer):
            return True
        case {"class": _, "generator": generator, **rest} if not rest and not isinstance(layer, Recorded):
            _set_generator(layer, generator)
            return False
    raise ValueError(f"that is no state of {type(layer).__name__}")


def _chain(env: Env) -> list[Env]:
    """List the layers from the outside in, down to one that was recorded with all that it wraps."""
    chain = layers(env)[::-1]
    recorded = next((place for place, layer in enumerate(chain) if isinstance(layer, Recorded)), len(chain))
    return chain[: recorded + 1]


def _has_own(layer: Env) -> bool:
    """Return whether a layer gives its state itself; other envs have only one of these methods, for other things."""
    kind = type(layer)
    return callable(getattr(kind, "get_state", None)) and callable(getattr(kind, "set_state", None))


def _keeps_attributes(layer: Env) -> bool:
    adds_nothing = isinstance(layer, gym.Wrapper) and vars(layer).keys() <= vars(gym.Wrapper(layer.env)).keys()
    return adds_nothing or type(layer).__module__.startswith(_KNOWN) or isinstance(layer, _KNOWN_CLASSES)


def _set_generator(layer: Env, plain: Any) -> None:
    if plain is not None:
        layer.unwrapped.np_random = read_generator(plain)


def _below_monitors(env: Env) -> Env:
    while isinstance(env, Monitor):  # which may refuse a reset in mid-episode
        env = env.env
    return env


def _name(env: Env) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
