"""The same input for a peer: the observation and the previous action, encoded as our own policy encodes them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from torch import Tensor

from engram.agents.actions import PreviousAction
from engram.agents.encoder import Event, EventEncoder, ObservationEncoder
from engram.memory import State

PREVIOUS_ACTION = "previous_action"


class ShowPreviousAction(VecEnvWrapper):
    """Shows a dict of the observation and the previous action, stored as `PreviousAction` does.

    Args:
        venv: B envs whose observation is an array or a dict of arrays.
    """

    def __init__(self, venv: VecEnv) -> None:
        self.stored = PreviousAction(venv.action_space)
        none = self.stored.none(1).numpy()
        low, high = (0, max(self.stored.choices)) if self.stored.choices else (-np.inf, np.inf)
        seen = spaces.Box(low, high, none.shape[1:], none.dtype.type)
        shown = venv.observation_space
        parts = dict(shown.spaces) if isinstance(shown, spaces.Dict) else {"observation": shown}
        super().__init__(venv, observation_space=spaces.Dict({**parts, PREVIOUS_ACTION: seen}))

    def reset(self) -> Any:
        self.actions = self.stored.none(self.num_envs).numpy()
        return self._shown(self.venv.reset(), self.actions)

    def step_async(self, actions: Any) -> None:
        self.actions = self.stored.store(torch.as_tensor(actions)).numpy()
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        for row, info in enumerate(infos):
            if "terminal_observation" in info:
                info["terminal_observation"] = self._shown(info["terminal_observation"], self.actions[row])
        self.actions[dones] = 0
        return self._shown(observations, self.actions), rewards, dones, infos

    @staticmethod
    def _shown(observations: Any, actions: Any) -> dict[str, Any]:
        parts = observations if isinstance(observations, dict) else {"observation": observations}
        return {**parts, PREVIOUS_ACTION: actions.copy()}


class EventFeatures(BaseFeaturesExtractor):
    """SB3 features extractor with the encoder of `MemoryPolicy`, for envs in `ShowPreviousAction`.

    Args:
        observation_space: as `ShowPreviousAction` shows it.
        action_space: of the env.
        features_dim: D, width of an encoded event.
    """

    def __init__(self, observation_space: spaces.Dict, action_space: spaces.Space[Any], features_dim: int) -> None:
        super().__init__(observation_space, features_dim)
        shown = {key: space for key, space in observation_space.spaces.items() if key != PREVIOUS_ACTION}
        extract = ObservationEncoder(spaces.Dict(shown))
        self.discrete = bool(PreviousAction(action_space).choices)
        self.encoder = EventEncoder(extract, extract.features_dim, PreviousAction(action_space), features_dim)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Encode preprocessed observations [X, ...] to [X, D]."""
        action = observations[PREVIOUS_ACTION]
        shown = {key: part for key, part in observations.items() if key != PREVIOUS_ACTION}
        event = Event(cast(State, shown), action.long() if self.discrete else action)
        return cast(Tensor, self.encoder(event))
