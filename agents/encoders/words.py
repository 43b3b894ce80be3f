"""Texts, as numbers of their words, to features."""

from __future__ import annotations

from gymnasium import spaces
from torch import Tensor

from engram.agents.encoders.symbols import SymbolEncoder


def is_text(space: spaces.Space[object]) -> bool:
    """Tell whether a space holds numbers that mean the same at every place, and says so: `space.one_alphabet`."""
    return isinstance(space, spaces.MultiDiscrete) and bool(getattr(space, "one_alphabet", False))


class WordEncoder(SymbolEncoder):
    """Encodes a text as a grid of symbols of one column: which words there are, and which stands where."""

    def __init__(self, space: spaces.MultiDiscrete, features_dim: int) -> None:
        column = (len(space.nvec), 1, 1)
        super().__init__(spaces.Box(0, int(space.nvec.max()) - 1, column, space.dtype.type), features_dim)

    def _kinds_of(self, grid: Tensor) -> Tensor:
        return grid.long()
