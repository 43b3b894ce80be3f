"""Embeds observations for a bonus: an encoder of its own, so that a policy's features have no part in it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import compress
from typing import Any, cast

import torch
from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.encoder import ENCODERS, Extract
from engram.agents.spaces import leaves_without
from engram.memory import State, tree_map
from engram.memory.state import leaves

FEATURES = 64
AT_ONCE = 1024
"""Observations embedded at once where no gradient is asked for."""


class Embedding(nn.Module):
    """Embeds observations by the encoder that their space asks for, and a linear layer for each width behind it.

    Vectors are normalized by what was seen of them.

    Args:
        space: of the observations.
        left_out: keys of a Dict that are not seen.
        widths: of the layers behind the encoder.
    """

    def __init__(self, space: spaces.Space[Any], left_out: Collection[str], *widths: int) -> None:
        super().__init__()
        self.kept = leaves_without(space, left_out)
        if self.kept is not None:
            parts = cast(spaces.Dict, space).spaces
            space = spaces.Dict({key: part for key, part in parts.items() if key not in left_out})
        encoder, own = ENCODERS.resolve("auto", {"features_dim": FEATURES, "normalize": True})
        self.encoder = encoder(space, **own)
        self.extract = Extract(self.encoder, space, normalize_images=True)
        layers: list[nn.Module] = []
        for before, after in zip((FEATURES, *widths), widths, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, observations: State) -> Tensor:
        """Embed observations, leaves [X, B, ...], to [X, B, D]."""
        shape = next(leaves(observations)).shape[:2]
        embedded: Tensor = self.layers(self.extract(self._flat(observations))).unflatten(0, shape)
        return embedded

    @torch.no_grad()
    def observe(self, observations: State) -> None:
        """Take observations [X, B, ...] into account in normalizing."""
        if observe := cast(Callable[[State], None] | None, getattr(self.encoder, "observe", None)):
            observe(self._flat(observations))

    def _flat(self, observations: State) -> State:
        kept = observations if self.kept is None else tuple(compress(cast(tuple[State, ...], observations), self.kept))
        return tree_map(lambda leaf: leaf.flatten(0, 1), kept)


def in_parts(embed: Callable[[State], Tensor], observations: State) -> Tensor:
    """Embed observations [X, B, ...] a few steps at a time, for the result's sake only, to [X, B, ...]."""
    n_steps, size = next(leaves(observations)).shape[:2]
    steps = max(1, AT_ONCE // size)
    parts = (
        embed(tree_map(lambda leaf, first=first: leaf[first : first + steps], observations))
        for first in range(0, n_steps, steps)
    )
    return torch.cat(list(parts))
