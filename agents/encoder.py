"""From an observation and the previous action to a feature vector: what an event looks like to the agent."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space, preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from engram.agents.actions import PreviousAction
from engram.agents.encoders.images import ImageEncoder
from engram.agents.encoders.symbols import SymbolEncoder, is_symbol_grid
from engram.memory import State
from engram.memory.named_classes import NamedClasses


class Event(NamedTuple):
    """What happened at a step, as it is stored."""

    observation: State  # [..., *observation shape]; of a Dict space a tuple in the order of its keys
    previous_action: Tensor  # [...] or [..., A], see `PreviousAction`


class ObservationEncoder(BaseFeaturesExtractor):
    """SB3 features extractor that chooses an encoder by the space: symbols, image, vector, or a Dict of these.

    Args:
        observation_space: any space that SB3 supports.
        features_dim: D.
    """

    def __init__(self, observation_space: spaces.Space[object], features_dim: int = 64) -> None:
        super().__init__(observation_space, features_dim)
        parts = [observation_space]
        if isinstance(observation_space, spaces.Dict):
            parts = [observation_space[key] for key in sorted(observation_space.spaces)]
        self.parts = nn.ModuleList(self._encoder_of(space, features_dim) for space in parts)
        self.join = nn.Linear(len(parts) * features_dim, features_dim) if len(parts) > 1 else nn.Identity()

    @staticmethod
    def _encoder_of(space: spaces.Space[object], features_dim: int) -> nn.Module:
        if isinstance(space, spaces.Box) and is_image_space(space):
            return ImageEncoder(space, features_dim)
        if isinstance(space, spaces.Box) and is_symbol_grid(space):
            return SymbolEncoder(space, features_dim)
        return nn.Sequential(nn.Flatten(), nn.Linear(get_flattened_obs_dim(space), features_dim), nn.ReLU())

    def forward(self, observations: Tensor | dict[str, Tensor]) -> Tensor:
        """Encode preprocessed observations [X, ...] to [X, D]."""
        inputs = (
            [observations[key] for key in sorted(observations)] if isinstance(observations, dict) else [observations]
        )
        encoded = [encode(part) for encode, part in zip(self.parts, inputs, strict=True)]
        return cast(Tensor, self.join(torch.cat(encoded, dim=1)))


ENCODERS: NamedClasses[BaseFeaturesExtractor] = NamedClasses(
    "encoder", BaseFeaturesExtractor, {"observation_space"}, {"auto": ObservationEncoder}
)
"""Encoders of observations by name: what Stable-Baselines3 calls a features extractor."""
register_encoder = ENCODERS.register
"""Give an encoder of one's own a name; see `memory.named_classes.NamedClasses.register`."""


class Extract(nn.Module):
    """Runs an SB3 features extractor on observation trees."""

    def __init__(
        self, features_extractor: BaseFeaturesExtractor, space: spaces.Space[Any], normalize_images: bool
    ) -> None:
        super().__init__()
        self.features_extractor = features_extractor
        self.space = space
        self.normalize_images = normalize_images

    def forward(self, observation: State) -> Tensor:
        """Return features [X, D] of raw observations with leaves [X, ...]."""
        raw: Any = observation
        if isinstance(self.space, spaces.Dict):
            raw = dict(zip(sorted(self.space.spaces), observation, strict=True))
        return cast(Tensor, self.features_extractor(preprocess_obs(raw, self.space, self.normalize_images)))


class EventEncoder(nn.Module):
    """Encodes an event: the features of its observation plus an embedding of the previous action, normalized.

    Args:
        extract: maps raw observation trees [X, ...] to features [X, extracted_size].
        extracted_size: its output size.
        previous_action: how a previous action is stored.
        encoded_size: D.
    """

    def __init__(
        self, extract: nn.Module, extracted_size: int, previous_action: PreviousAction, encoded_size: int
    ) -> None:
        super().__init__()
        self.extract = extract
        self.of_observation = nn.Linear(extracted_size, encoded_size)
        self.of_action = nn.Linear(previous_action.size, encoded_size, bias=False)
        self.previous_action = previous_action
        self.normalize = nn.LayerNorm(encoded_size)

    def forward(self, event: State) -> Tensor:
        """Encode events with leaves [X, ...] to [X, D]."""
        observation, action = cast(Event, event)
        features = self.of_observation(self.extract(observation)) + self.of_action(self.previous_action.encode(action))
        return cast(Tensor, self.normalize(features))
