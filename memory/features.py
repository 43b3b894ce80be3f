"""What the heads see: its definition, and the same in one call in C for acting."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engram.memory.native.build import addresses, library, lie_on_cpu
from engram.memory.native.product import pack

_SOURCE = Path(__file__).with_suffix(".c")


def features_of(
    seen_factor: nn.Module, read_factor: nn.Module, hidden: Tensor, encoded: Tensor, read: Tensor
) -> Tensor:
    """Return `[h, r, P₁[h, x] ⊙ P₂r]`, [..., H + S + H].

    Args:
        seen_factor, read_factor: P₁ and P₂.
        hidden, encoded, read: [..., H], [..., D], [..., S].
    """
    seen = torch.cat([hidden, encoded], dim=-1)
    return torch.cat([hidden, read, seen_factor(seen) * read_factor(read)], dim=-1)


class NativeFeatures:
    """The same outside the graph, as long as the weights stay: they are packed once.

    Args:
        compiled: the library.
        seen_factor, read_factor: P₁ and P₂.
    """

    def __init__(self, compiled: Any, seen_factor: nn.Linear, read_factor: nn.Linear) -> None:
        self._compiled = compiled
        self._factors = seen_factor, read_factor
        hidden_size, seen_size = seen_factor.weight.shape
        self._sizes = hidden_size, seen_size - hidden_size, read_factor.in_features
        weights = (pack(compiled, factor.weight.detach().t()) for factor in self._factors)
        self._kept = (*weights, seen_factor.bias, read_factor.bias)

    @staticmethod
    def of(seen_factor: nn.Linear, read_factor: nn.Linear) -> NativeFeatures | None:
        """Return None where there is no C code: elsewhere than on a CPU, or without a compiler."""
        compiled = library(_SOURCE, seen_factor.weight.dtype) if seen_factor.weight.is_cpu else None
        return None if compiled is None else NativeFeatures(compiled, seen_factor, read_factor)

    def __call__(self, hidden: Tensor, encoded: Tensor, read: Tensor) -> Tensor:
        """See `features_of`, for [T, B, ...]."""
        given, steps = (hidden, encoded, read), hidden.shape[:-1]
        expected = ((part, (*steps, size)) for part, size in zip(given, self._sizes, strict=True))
        if torch.is_autocast_enabled("cpu") or not lie_on_cpu(self._kept[0].dtype, *expected):
            return features_of(*self._factors, *given)
        hidden, encoded, read = (part.contiguous() for part in given)
        found = hidden.new_empty(*steps, 2 * self._sizes[0] + self._sizes[2])
        counts = struct.pack("4q", steps.numel(), *self._sizes)
        if self._compiled.features(counts, addresses(*self._kept, hidden, encoded, read, found)) < 0:
            raise MemoryError("too little memory for what the heads see")
        return found
