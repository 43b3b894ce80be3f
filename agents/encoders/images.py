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
    """Tell whether a space is an image of floats in 0..1, with its channels first or last."""
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating) or len(space.shape) != 3:
        return False
    return _has_channels(space.shape) and _is_large(space.shape) and _is_within(space, 1)


def warn_if_image(space: spaces.Space[object]) -> None:
    """Warn of a space that will be flattened, though it may be one of images, and say what it lacks."""
    if not isinstance(space, spaces.Box) or not (space.dtype == np.uint8 or np.issubdtype(space.dtype, np.floating)):
        return
    reason = _lack_of(space)
    if reason:
        low, high = space.low.min(), space.high.max()
        warnings.warn(
            f"observations of shape {space.shape} from {low:g} to {high:g} are flattened: {reason}", stacklevel=2
        )


def _lack_of(space: spaces.Box) -> str:
    """Return what a space of bytes or floats lacks to be one of images; "" if it is like none."""
    shape = space.shape
    kind, highest = ("bytes", 255) if space.dtype == np.uint8 else ("floats", 1)
    is_within = _is_within(space, highest) and (highest == 1 or space.high.max() == highest)
    match len(shape):
        case 2 if is_within and min(shape) >= SMALLEST:
            return f"an image has an axis of channels, such as {(*shape, 1)}"
        case 3 if _has_channels(shape) and not is_within and _is_large(shape):
            return f"an image of {kind} is in 0..{highest}"
        case 3 if _has_channels(shape) and is_within and not _is_large(shape):
            return f"an image of {kind} has {SMALLEST} x {SMALLEST} pixels at least"
        case 3 if is_within and _is_large(shape):
            return f"an image of {kind} has 1, 3 or 4 channels, as its first or its last axis"
        case 4 if is_within and _is_large(shape[1:]):
            return "the frames of a stack are channels of one image; or show the last frame alone"
    return ""


def _has_channels(shape: tuple[int, ...]) -> bool:
    return not {shape[0], shape[-1]}.isdisjoint(CHANNELS)


def _is_large(shape: tuple[int, ...]) -> bool:
    return sorted(shape)[1] >= SMALLEST


def _is_within(space: spaces.Box, highest: int) -> bool:
    return bool(space.low.min() >= 0 and space.high.max() <= highest)


class FloatImageEncoder(ImageEncoder):
    """The same for images of floats in 0..1; channels that come last are put first."""

    def __init__(self, space: spaces.Box, features_dim: int) -> None:
        self.is_channels_last = space.shape[2] in CHANNELS and space.shape[0] not in CHANNELS
        height, width, channels = space.shape if self.is_channels_last else (*space.shape[1:], space.shape[0])
        super().__init__(spaces.Box(0, 1, (channels, height, width)), features_dim)

    def forward(self, image: Tensor) -> Tensor:
        """Encode images [X, *shape] to [X, D]."""
        return super().forward(image.movedim(-1, 1) if self.is_channels_last else image)
