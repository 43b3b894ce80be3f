"""What MemoryPPO carries over a rollout: where the envs and its memory stand, what it learned, and by which chances."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import numpy as np
import torch

from engram.agents.carried.interface import Part
from engram.agents.carried.trees import copies, like, on_device
from engram.storage import Plain
from engram.storage.modules import set_state, set_weights, state_of, weights_of

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "longest_episode")
EPISODES = ("ep_info_buffer", "ep_success_buffer")


def _take_counters(model: Any) -> Plain:
    """Return how many steps, updates and episodes there were."""
    return {name: int(getattr(model, name)) for name in COUNTERS}


def _put_counters(model: Any, state: Any) -> None:
    for name in COUNTERS:
        if type(state[name]) is not int or state[name] < 0:
            raise ValueError(f"{name}={state[name]!r:.40} is no count")
        setattr(model, name, state[name])
    model.policy.starts_told.longest_episode = model.longest_episode


def _take_episodes(model: Any) -> Plain:
    """Return what Monitor told of the last episodes, and whether they were successes."""
    return {name: [_plain_info(each) for each in getattr(model, name) or ()] for name in EPISODES}


def _put_episodes(model: Any, state: Any) -> None:
    for name in EPISODES:
        setattr(model, name, deque(state[name], maxlen=model._stats_window_size))


def _take_cursor(model: Any) -> Plain:
    """Return the observations at which the envs stand, which of them begin an episode, and the agent's state.

    At the very beginning there is no state yet, and before that not even an observation.
    """
    seen: Any = model._last_obs
    if seen is None:
        return None
    return {
        "observations": {key: part.copy("K") for key, part in seen.items()}
        if isinstance(seen, dict)
        else seen.copy("K"),
        "episode_starts": np.array(model._last_episode_starts, dtype=bool),
        "agent": None if model._state is None else copies(model._state),
    }


def _put_cursor(model: Any, state: Any) -> None:
    if state is None:
        model._last_obs = model._state = None
        return
    size, starts, seen = model.n_envs, state["episode_starts"], state["observations"]
    if starts.dtype != bool or starts.shape != (size,):
        raise ValueError(f"the state is of {len(starts)} envs, the training of {size}")
    spaces = getattr(model.observation_space, "spaces", {"": model.observation_space})
    parts = seen if isinstance(seen, dict) else {"": seen}
    if parts.keys() != spaces.keys():
        raise ValueError("the observations have other keys than the envs'")
    for key, space in spaces.items():
        if parts[key].shape != (size, *space.shape):
            raise ValueError(
                f"the observations {key} are of shape {parts[key].shape}, the envs' of {(size, *space.shape)}"
            )
    model._state = None if state["agent"] is None else like(model.policy.initial_state(size), state["agent"])
    model._last_obs, model._last_episode_starts = seen, starts


def _take_generators(_: Any) -> Plain:
    """Return the states of all generators that a training draws from, but for those of its envs."""
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  # the one that Stable-Baselines3 seeds
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    return {
        "python": [version, np.array(numbers, dtype=np.int64), gauss],
        "numpy": [kind, np.array(keys), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": list(cuda),
    }


def _put_generators(_: Any, state: Any) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    np.random.set_state(tuple(state["numpy"]))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def _take_log(model: Any) -> Any:
    """Return what has been recorded for the next row."""
    log = model.logger
    return {
        name: [_number(value), log.name_to_count[name], log.name_to_excluded.get(name)]
        for name, value in log.name_to_value.items()
        if isinstance(value, int | float | str | np.number)
    }


def _put_log(model: Any, state: Any) -> None:
    log = model.logger
    for name, (value, count, excluded) in state.items():
        log.name_to_value[name], log.name_to_count[name] = value, count
        log.name_to_excluded[name] = None if excluded is None else tuple(excluded)


def _put_return_scale(model: Any, state: Any) -> None:
    if not isinstance(state, float) or not 0.0 <= state < float("inf"):
        raise ValueError(f"{state!r:.40} is no return's magnitude")
    model.largest_return = state


def _plain_info(info: Any) -> Any:
    return {key: _number(value) for key, value in info.items()} if isinstance(info, dict) else _number(info)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


PARTS = {
    "counters": Part(_take_counters, _put_counters, learned=True),
    "weights": Part(
        lambda model: weights_of(model.policy), lambda model, state: set_weights(model.policy, state), learned=True
    ),
    "optimizer": Part(
        lambda model: state_of(model.policy.optimizer),
        lambda model, state: set_state(model.policy.optimizer, state),
        learned=True,
    ),
    "return_scale": Part(lambda model: float(model.largest_return), _put_return_scale, learned=True),
    "bonus": Part(
        lambda model: model.novelty.get_state(),
        lambda model, state: model.novelty.set_state(on_device(state, model.device)),
        learned=True,
    ),
    "shown": Part(
        lambda model: model.novelty.shown(),
        lambda model, state: model.novelty.set_shown(on_device(state, model.device)),
    ),
    "episodes": Part(_take_episodes, _put_episodes, learned=True),
    "rollout": Part(_take_cursor, _put_cursor),
    "log": Part(_take_log, _put_log),
    "generators": Part(_take_generators, _put_generators),
}
"""In the order in which they are put back: the generators last, since others may draw."""
