"""From an observation and the previous action to a feature vector: what an event looks like to the agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space, preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from engram.agents.actions import PreviousAction
from engram.agents.encoders.fields import FieldEncoder, alphabets_of
from engram.agents.encoders.images import FloatImageEncoder, ImageEncoder, is_float_image, warn_if_image
from engram.agents.encoders.running_norm import RunningNorm
from engram.agents.encoders.symbols import CellTables, SymbolEncoder, is_symbol_grid
from engram.agents.encoders.words import WordEncoder, is_text
from engram.memory import State
from engram.memory.named_classes import NamedClasses


class Event(NamedTuple):
    """What happened at a step, as it is stored."""

    observation: State  # [..., *observation shape]; of a Dict space a tuple in the order of its keys
    previous_action: Tensor  # [...] or [..., A], see `PreviousAction`


class ObservationEncoder(BaseFeaturesExtractor):
    """SB3 features extractor that chooses an encoder by the space: symbols, image, text, vector, or a Dict of these.

    Args:
        observation_space: any space that SB3 supports.
        features_dim: D.
        normalize: whether vectors (a Box that is no grid of symbols and no image) are shifted and scaled by what was
            seen of them, see `RunningNorm`.
    """

    def __init__(
        self, observation_space: spaces.Space[object], features_dim: int = 64, normalize: bool = False
    ) -> None:
        if not isinstance(features_dim, SupportsIndex) or features_dim < 1:
            raise ValueError(f"features_dim={features_dim!r} must be a whole number of at least 1")
        super().__init__(observation_space, features_dim)
        self.normalize = normalize
        parts = [observation_space]
        if isinstance(observation_space, spaces.Dict):
            parts = [observation_space[key] for key in sorted(observation_space.spaces)]
        self.parts = nn.ModuleList(self._encoder_of(space, features_dim) for space in parts)
        self.join = nn.Linear(len(parts) * features_dim, features_dim) if len(parts) > 1 else nn.Identity()

    def _encoder_of(self, space: spaces.Space[object], features_dim: int) -> nn.Module:
        if isinstance(space, spaces.Box) and is_image_space(space):
            return ImageEncoder(space, features_dim)
        if isinstance(space, spaces.Box) and is_float_image(space):
            return FloatImageEncoder(space, features_dim)
        if isinstance(space, spaces.Box) and is_symbol_grid(space):
            return SymbolEncoder(space, features_dim)
        if isinstance(space, spaces.MultiDiscrete) and is_text(space):
            return WordEncoder(space, features_dim)
        if isinstance(space, spaces.MultiDiscrete) and alphabets_of(space):
            return FieldEncoder(space, features_dim)
        warn_if_image(space)
        size = get_flattened_obs_dim(space)
        norm = [RunningNorm(size)] if self.normalize and isinstance(space, spaces.Box) else []
        return nn.Sequential(nn.Flatten(), *norm, nn.Linear(size, features_dim), nn.ReLU())

    def forward(
        self, observations: Tensor | dict[str, Tensor], tables: Sequence[CellTables | None] | None = None
    ) -> Tensor:
        """Encode preprocessed observations [X, ...] to [X, D].

        Args:
            observations: of the space; of a Dict a dict.
            tables: from `tables`, if the weights have not changed since.
        """
        inputs = (
            [observations[key] for key in sorted(observations)] if isinstance(observations, dict) else [observations]
        )
        encoded = [
            encode(part) if table is None else encode(part, table)
            for encode, part, table in zip(self.parts, inputs, tables or [None] * len(inputs), strict=True)
        ]
        return cast(Tensor, self.join(encoded[0] if len(encoded) == 1 else torch.cat(encoded, dim=1)))

    @property
    def observes(self) -> bool:
        """Whether `observe` changes anything."""
        return any(isinstance(module, RunningNorm) for module in self.modules())

    def observe(self, observations: Tensor | Sequence[Tensor]) -> None:
        """Take observations [X, ...] into account in normalizing; of a Dict in the order of its sorted keys."""
        parts = [observations] if isinstance(observations, Tensor) else observations
        for encode, part in zip(self.parts, parts, strict=True):
            if isinstance(encode, nn.Sequential) and isinstance(encode[1], RunningNorm):
                encode[1].observe(part.flatten(1))

    def tables(self) -> list[CellTables | None]:
        """Return what of each part's encoder can be worked out before any observation is seen, with these weights."""
        return [part.all_tables() if isinstance(part, SymbolEncoder) else None for part in self.parts]


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

    def forward(self, observation: State, tables: object = None) -> Tensor:
        """Return features [X, D] of raw observations with leaves [X, ...]; `tables` are those of the extractor."""
        raw: Any = observation
        if isinstance(self.space, spaces.Dict):
            raw = dict(zip(sorted(self.space.spaces), observation, strict=True))
        preprocessed = self._preprocessed(raw, self.space)
        extract = self.features_extractor
        return cast(Tensor, extract(preprocessed) if tables is None else extract(preprocessed, tables))

    def _preprocessed(self, raw: Any, space: spaces.Space[Any]) -> Any:
        """Do what SB3 does, but leave symbols as they are: a text would be the largest part of an event by far."""
        if isinstance(space, spaces.Dict):
            return {key: self._preprocessed(raw[key], part) for key, part in space.spaces.items()}
        return raw if is_text(space) or alphabets_of(space) else preprocess_obs(raw, space, self.normalize_images)

    def tables(self) -> object:
        """Return the tables of our own extractor; others have none."""
        extract = self.features_extractor
        if not isinstance(extract, ObservationEncoder) or type(extract).forward is not ObservationEncoder.forward:
            return None
        return extract.tables()


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
        # An event is what was seen: else events of the same action would look alike, and a memory could not be asked
        # for what is like the sight of now. What was done plays no part until learning finds a use for it.
        nn.init.zeros_(self.of_action.weight)
        self.previous_action = previous_action
        self.normalize = nn.LayerNorm(encoded_size)

    def forward(self, event: State, tables: object = None) -> Tensor:
        """Encode events with leaves [X, ...] to [X, D].

        Args:
            event: the events.
            tables: from `tables`, if the weights have not changed since.
        """
        observation, action = cast(Event, event)
        extracted = self.extract(observation) if tables is None else self.extract(observation, tables)
        of_action = self.previous_action.project(action, self.of_action.weight)
        return cast(Tensor, self.normalize(self.of_observation(extracted) + of_action))

    def tables(self) -> object:
        """Return what can be worked out before any event is seen, for as long as the weights stay; None if nothing."""
        return self.extract.tables() if isinstance(self.extract, Extract) else None
