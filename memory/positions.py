"""Where to read: how the age of an event and the step at which it happened enter the attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def age_bucket(age: Tensor, exact: int, per_octave: int, buckets: int) -> Tensor:
    """Sort ages into buckets: one for every age below `exact`, then logarithmic ones (after Raffel et al. 2020, T5).

    Args:
        age: int64 of any shape, in steps, at least 0.
        exact: ages below this have a bucket of their own.
        per_octave: buckets for every doubling of the age beyond.
        buckets: number of buckets in all; ages beyond the last share it.

    Returns:
        int64 of the same shape, in 0..buckets-1.
    """
    octaves = torch.log2(age.clamp(min=exact).double() / exact)
    return torch.where(age < exact, age, exact + (octaves * per_octave).long()).clamp(0, buckets - 1)


class AgeBias(nn.Module):
    """A learned bias for every head and age, exact for small ages and logarithmic beyond, so that it extrapolates.

    Ages never met in training have no bias. The table is scaled so that Adam moves a bias as fast as the logits.
    """

    scale = 10.0
    max_octaves = 20

    def __init__(self, heads: int, exact: int = 64, per_octave: int = 2) -> None:
        super().__init__()
        self.exact = exact
        self.per_octave = per_octave
        self.table = nn.Parameter(torch.zeros(exact + self.max_octaves * per_octave, heads))

    def forward(self, age: Tensor) -> Tensor:
        """Return the bias [R, ...] of events of the given age [...] in steps."""
        buckets = age_bucket(age, self.exact, self.per_octave, len(self.table)).flatten()
        # By `gather`, because the gradient of indexing sorts all indices first.
        table = self.table.t() * self.scale
        return table.gather(1, buckets.expand(len(table), -1)).view(-1, *age.shape)


class StepEmbedding(nn.Module):
    """Sinusoidal embedding of a step's number (Vaswani et al. 2017, section 3.5), wavelengths 2π to 2π · 10,000."""

    frequencies: Tensor

    def __init__(self, size: int = 32) -> None:
        super().__init__()
        if size < 2 or size % 2:
            raise ValueError(f"step_embedding_size={size} must be even and at least 2")
        exponents = torch.arange(size // 2, dtype=torch.float64) / (size // 2)
        self.register_buffer("frequencies", torch.exp(-math.log(10_000.0) * exponents), persistent=False)

    def forward(self, step: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the embedding [..., E] of step numbers [...]; the angles are exact for any episode length."""
        angles = step.unsqueeze(-1).double() * self.frequencies.double()
        return torch.cat([angles.sin(), angles.cos()], dim=-1).to(dtype)
