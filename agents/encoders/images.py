"""Images to features."""

from __future__ import annotations

from typing import cast

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
