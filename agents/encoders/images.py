"""Images to features."""

from __future__ import annotations

import warnings
from typing import cast

import numpy as np
from gymnasium import spaces
from torch import Tensor, nn


class ImageEncoder(nn.Module):
    """Three strided convolutions and a linear layer, for images from 8 x 8 pixels on."""

    def __init__(self, space: spaces.Box, features_dim: int) -> None:
        super().__init__()
        channels, height, width = space.shape
        layers: list[nn.Module] = []
        for outputs in (16, 32, 32):
            layers += [nn.Conv2d(channels, outputs, kernel_size=3, stride=2, padding=1), nn.ReLU()]
            channels, height, width = outputs, (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(channels * height * width, features_dim), nn.ReLU()
        )

    def forward(self, image: Tensor) -> Tensor:
        """Encode images [X, channels, height, width] in 0..1 to [X, D]."""
        return cast(Tensor, self.layers(image))


CHANNELS = (1, 3, 4)
SMALLEST = 8
"""Pixels a side from which on floats in 0..1 are taken for an image."""


def is_float_image(space: spaces.Space[object]) -> bool:
    """Tell whether a space is an image of floats in 0..1, with its channels first or last.

    What looks like one but for its bounds is warned of: it will be flattened.
    """
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating) or len(space.shape) != 3:
        return False
    if not {space.shape[0], space.shape[2]} & set(CHANNELS) or sorted(space.shape)[1] < SMALLEST:
        return False
    low, high = space.low.min(), space.high.max()
    if low >= 0 and high <= 1:
        return True
    warnings.warn(
        f"observations of shape {space.shape} from {low:g} to {high:g} are flattened: an image of floats is in 0..1",
        stacklevel=2,
    )
    return False


class FloatImageEncoder(ImageEncoder):
    """The same for images of floats in 0..1; channels that come last are put first."""

    def __init__(self, space: spaces.Box, features_dim: int) -> None:
        self.is_channels_last = space.shape[2] in CHANNELS and space.shape[0] not in CHANNELS
        height, width, channels = space.shape if self.is_channels_last else (*space.shape[1:], space.shape[0])
        super().__init__(spaces.Box(0, 1, (channels, height, width)), features_dim)

    def forward(self, image: Tensor) -> Tensor:
        """Encode images [X, *shape] to [X, D]."""
        return super().forward(image.movedim(-1, 1) if self.is_channels_last else image)
