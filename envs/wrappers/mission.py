"""The mission of a MiniGrid environment as a part of what the agent sees, where it changes from episode to episode."""

from __future__ import annotations

import copy
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, cast

import gymnasium as gym
from gymnasium import spaces
from minigrid.core.mission import MissionSpace
from minigrid.envs.babyai.core.roomgrid_level import BabyAIMissionSpace
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.wrappers.words import Words, words_of

_PROBED = 32
"""Episodes that are begun to find out whether a mission changes: MiniGrid's and BabyAI's do so within 4, if at all."""
_LONGEST_OF_BABYAI = 72
"""Words of BabyAI's longest mission: four times "put a … ball on your left next to a … box on your right"."""

_found: dict[object, Words | None] = {}


class MissionSeen(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Adds the mission to the observation of a MiniGrid environment, as numbers of its words.

    The observation becomes ``{"image": ..., "mission": (L,)}``.

    Args:
        env: a MiniGrid environment whose observation is an image.
        words: the space of its missions, as ``words_of_missions`` returns it.
    """

    def __init__(self, env: gym.Env[Any, Any], words: Words):
        gym.utils.RecordConstructorArgs.__init__(self, words=words)
        super().__init__(env)
        self._words = words
        self.observation_space = spaces.Dict({"image": env.observation_space, "mission": words})

    def observation(self, observation: Any) -> dict[str, Any]:
        bare: Any = self.env.unwrapped
        return {"image": observation, "mission": self._words.numbers_of(bare.mission)}


def words_of_missions(env: MiniGridEnv) -> Words | None:
    """Return the space of an environment's missions; None where they never change.

    An environment that knows may say so, by an attribute ``mission_changes``. For others episodes are begun, in a copy.

    Args:
        env: a bare MiniGrid environment.
    """
    if getattr(env, "mission_changes", True) is False:
        return None
    key = (type(env), env.spec.id, repr(env.spec.kwargs)) if env.spec is not None else None
    if key is None or key not in _found:
        words = _probed(env)
        if key is None:
            return words
        _found[key] = words
    return _found[key]


def _probed(env: MiniGridEnv) -> Words | None:
    probe, missions = copy.deepcopy(env), set()
    with redirect_stdout(StringIO()):
        for seed in range(_PROBED):
            probe.reset(seed=seed)
            missions.add(str(probe.mission))
            if len(missions) > 1:
                space = cast(spaces.Dict, env.observation_space)["mission"]
                return Words(max(_longest_of(space), *map(_length, missions)), constant_over_episode=True)
    return None


def _longest_of(space: spaces.Space[Any]) -> int:
    """Return how many words a mission of this space has at most, as far as the space tells."""
    if isinstance(space, BabyAIMissionSpace):
        return _LONGEST_OF_BABYAI
    if isinstance(space, MissionSpace) and space.ordered_placeholders:
        return _length(space.mission_func(*(max(choices, key=_length) for choices in space.ordered_placeholders)))
    return 0


def _length(text: str) -> int:
    return len(words_of(text))


class QuietReset(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Keeps a reset from printing: BabyAI prints each maze that it rejects."""

    def __init__(self, env: gym.Env[Any, Any]):
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        with redirect_stdout(StringIO()):
            return self.env.reset(seed=seed, options=options)
