"""Vectors shifted and scaled by what has been seen of them so far."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST = 10.0
"""A normalized number is at most so large."""


class RunningNorm(nn.Module):
    """Normalizes vectors [X, K] by the mean and deviation of all that `observe` was given.

    The statistics are part of the weights: they are saved with them, and stay as they are from the collection of a
    rollout to the end of its update. Events are stored as they were observed, so none is normalized by old statistics.

    Args:
        size: K.
    """

    mean: Tensor
    variance: Tensor
    scale: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))  # 1 where nothing differs
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return [X, K], each number within -10 and 10."""
        return ((vectors - self.mean) * self.scale).clamp(-LARGEST, LARGEST)

    @torch.no_grad()
    def observe(self, vectors: Tensor) -> None:
        """Take vectors [X, K] into account (Chan et al. 1979, equation 2.1)."""
        vectors = vectors.to(torch.float64)
        count = self.count + len(vectors)
        difference = vectors.mean(0) - self.mean
        together = self.variance * self.count + vectors.var(0, correction=0) * len(vectors)
        self.variance.copy_((together + difference.square() * self.count * len(vectors) / count) / count)
        self.mean += difference * len(vectors) / count
        self.count.copy_(count)
        self.scale.copy_(torch.where(self.variance > 0, self.variance.rsqrt(), 1.0))
