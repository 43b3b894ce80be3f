"""Grids of symbols, such as MiniGrid's, to features, by look-ups in tables of what each kind of cell means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor, nn

from engram.agents.encoders.look_ups import look_up

MOST_IDS = 64
"""Numbers from 0 on up to which they are ids, and not amounts."""
MOST_KINDS = 1024
"""Kinds of cells up to which a table of all of them is smaller than finding out which ones are there."""


def is_symbol_grid(space: spaces.Space[object]) -> bool:
    """Tell whether a space holds a grid of small ids, [height, width, channels], such as MiniGrid's symbols."""
    return (
        isinstance(space, spaces.Box)
        and np.issubdtype(space.dtype, np.integer)
        and len(space.shape) == 3
        and not is_image_space(space)
        and bool(space.low.min() >= 0 and space.high.max() < MOST_IDS)
    )


class CellTables(NamedTuple):
    """What each of U kinds of cells adds to the features of a grid of P places, with the current weights."""

    where: Tensor  # [P, U, D] at each place
    what: Tensor  # [U, D] wherever it is


class SymbolEncoder(nn.Module):
    """Embeds the ids of a symbol grid: a cell is the sum of its channels' embeddings.

    A grid is encoded twice: by one linear layer that knows where everything is, and by the maximum over its cells,
    which says what is there wherever it is. Without the second, an agent has to learn for every pair of places anew
    that a key here is the like of a key there.

    A grid has many cells but few kinds of them (walls, floor, a door). So both layers are applied to the kinds, and a
    grid looks its cells up in the tables that result.
    """

    def __init__(self, space: spaces.Box, features_dim: int, embedding_size: int = 16) -> None:
        super().__init__()
        height, width, channels = space.shape
        self.ids = [int(highest) + 1 for highest in space.high.reshape(-1, channels).max(0)]
        self.kinds = int(np.prod(self.ids, dtype=np.float64))
        self.places = height * width
        self.embedding = nn.Embedding(sum(self.ids), embedding_size)
        self.where = nn.Linear(self.places * embedding_size, features_dim)
        self.what = nn.Linear(embedding_size, features_dim)
        self.join = nn.Linear(2 * features_dim, features_dim)

    def forward(self, grid: Tensor, tables: CellTables | None = None) -> Tensor:
        """Encode ids [X, height, width, channels] to [X, D].

        Args:
            grid: the ids, as floats if they come from SB3's preprocessing.
            tables: from `all_tables`, if the weights have not changed since; None to compute those that are needed.
        """
        cells = self._kinds_of(grid)
        if tables is None:
            kinds, cells = self._distinct(cells)
            tables = self._tables(kinds)
        return torch.relu(self.join(torch.relu(look_up(*tables, self.where.bias, cells))))

    def all_tables(self) -> CellTables | None:
        """Return the tables of all kinds, for as long as the weights stay; None if there are too many."""
        if self.kinds > MOST_KINDS:
            return None
        return self._tables(torch.arange(self.kinds, device=self.embedding.weight.device))

    def _kinds_of(self, grid: Tensor) -> Tensor:
        """Number the kinds of cells [X, P]: the channels' ids are its digits."""
        first, *channels = grid.long().flatten(1, 2).unbind(2)
        for channel, ids in zip(channels, self.ids[1:], strict=True):
            first = torch.add(channel, first, alpha=ids)
        return first

    def _distinct(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return the kinds that occur [U], and the cells [X, P] as numbers of these."""
        if not len(cells):  # a table has one row at least
            return cells.new_zeros(1), cells
        if torch.compiler.is_exporting():  # how many there are must not depend on what is seen
            return cells.flatten(), torch.arange(cells.numel()).view(cells.shape)
        if self.kinds > MOST_KINDS:
            kinds, cells = cells.unique(return_inverse=True)
            return kinds, cells
        if not cells.is_cpu:  # what occurs would have to be waited for
            return torch.arange(self.kinds, device=cells.device), cells
        occurs = torch.zeros(self.kinds, dtype=torch.bool).index_fill_(0, cells.flatten(), True)
        return occurs.nonzero().squeeze(1), (occurs.cumsum(0) - 1)[cells]

    def _tables(self, kinds: Tensor) -> CellTables:
        digits, base = [], sum(self.ids)
        for ids in reversed(self.ids):
            base -= ids
            digits.append(kinds % ids + base)
            kinds = kinds // ids
        embedded = self.embedding(torch.stack(digits)).sum(0)  # [U, E]
        of_places = self.where.weight.view(-1, self.places, embedded.shape[1])  # [D, P, E]
        return CellTables(embedded @ of_places.permute(1, 2, 0), self.what(embedded))
