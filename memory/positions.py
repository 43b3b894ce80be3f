"""Where to read: how the age of an event and the step at which it happened enter the attention."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor, nn

from engram.memory.exporting import at_hand

_TABLE = 1024
"""Steps whose embeddings are kept."""


def bucket_starts(exact: int, per_octave: int, buckets: int) -> list[int]:
    """Return the smallest age of each bucket but the first: one for every age below `exact`, then logarithmic ones.

    After Raffel et al. 2020 (T5).

    Args:
        exact: ages below this have a bucket of their own.
        per_octave: buckets for every doubling of the age beyond.
        buckets: number of buckets in all; ages beyond the last share it.
    """
    octaves = (number / per_octave for number in range(buckets - exact))
    return [*range(1, exact), *(math.ceil(round(exact * 2.0**octave, 6)) for octave in octaves)]


class AgeBias(nn.Module):
    """A learned bias for every head and age, exact for small ages and logarithmic beyond, so that it extrapolates.

    Ages never met in training have no bias. The table is scaled so that Adam moves a bias as fast as the logits.
    """

    scale = 10.0
    max_octaves = 20
    starts: Tensor

    def __init__(self, heads: int, exact: int = 64, per_octave: int = 2) -> None:
        super().__init__()
        buckets = exact + self.max_octaves * per_octave
        self.table = nn.Parameter(torch.zeros(buckets, heads))
        self.register_buffer("starts", torch.tensor(bucket_starts(exact, per_octave, buckets)), persistent=False)

    def bucket(self, age: Tensor) -> Tensor:
        """Sort ages [...] in steps into buckets; a negative one, of what is not there, into the first."""
        if torch.compiler.is_exporting():
            return (age.unsqueeze(-1) >= self.starts).sum(-1)
        return torch.bucketize(age.contiguous(), self.starts, right=True)

    def scaled(self) -> Tensor:
        """Return the biases [A, R] by bucket."""
        table: Tensor = self.table * self.scale
        return table

    def forward(self, bucket: Tensor) -> Tensor:
        """Return the bias [R, ...] of events whose age is in a bucket [...]."""
        return bias_of_age(self.scaled(), bucket)

    def by_head(self, bucket: Tensor) -> Tensor:
        """Return the bias [X, R, k] of each head's own events, whose age is in a bucket [X, R, k]."""
        heads = self.table.shape[1]
        index = bucket * heads + torch.arange(heads, device=bucket.device).view(-1, 1)
        return self.scaled().flatten().index_select(0, index.flatten()).view(bucket.shape)


def bias_of_age(table: Tensor, bucket: Tensor) -> Tensor:
    """Look up biases [R, ...] of buckets [...] in a table [A, R]."""
    flat, heads = bucket.flatten().long(), table.shape[1]
    # By `gather`, because the gradient of indexing sorts all indices first.
    return table.t().gather(1, flat.expand(heads, -1)).view(heads, *bucket.shape)


class StepEmbedding(nn.Module):
    """Sinusoidal embedding of a step's number (Vaswani et al. 2017, section 3.5), wavelengths 2π to 2π · 10,000."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, size: int = 32) -> None:
        super().__init__()
        if size < 2 or size % 2:
            raise ValueError(f"step_embedding_size={size} must be even and at least 2")
        exponents = torch.arange(size // 2, dtype=torch.float64) / (size // 2)
        frequencies, quarter = torch.exp(-math.log(10_000.0) * exponents), torch.full((size // 2,), math.pi / 2)
        self.register_buffer("frequencies", frequencies.repeat(2), persistent=False)
        self.register_buffer("phases", torch.cat([torch.zeros_like(quarter), quarter]).double(), persistent=False)

    def forward(self, step: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the embedding [..., E] of step numbers [...]; the angles are exact for any episode length."""
        if dtype == torch.float32 and at_hand(step) and step.numel() and int(step.max()) < _TABLE:
            return self._table.index_select(0, step.flatten()).view(*step.shape, -1)
        return self._embedded(step).to(dtype)

    def _embedded(self, step: Tensor) -> Tensor:
        angles = torch.addcmul(self.phases.double(), step.unsqueeze(-1).double(), self.frequencies.double())
        return angles.sin_()

    @cached_property
    def _table(self) -> Tensor:
        """Embeddings of the first steps of an episode, [_TABLE, E]: most episodes have no others."""
        return self._embedded(torch.arange(_TABLE)).float()
