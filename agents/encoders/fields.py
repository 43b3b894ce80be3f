"""Fields of symbols, some of which are of one alphabet, to features."""

from __future__ import annotations

import torch
from gymnasium import spaces
from torch import Tensor, nn

IN_ANY_FIELD = 3.0
"""How much more of a symbol's meaning is at first that in any field than that in its own."""


def alphabets_of(space: spaces.Space[object]) -> tuple[int, ...] | None:
    """Return the number of each field's alphabet, as a MultiDiscrete says in `space.alphabets`; None if it does not.

    Where two fields have the same number, the same value in them is the same symbol.

    Raises:
        ValueError: if they do not fit the fields.
    """
    said = getattr(space, "alphabets", None)
    if said is None or not isinstance(space, spaces.MultiDiscrete):
        return None
    alphabets, sizes = tuple(said), space.nvec.tolist()
    if len(alphabets) != len(sizes):
        raise ValueError(f"alphabets={alphabets} of the observation space must be one for each of {len(sizes)} fields")
    of_alphabet = dict(zip(alphabets, sizes, strict=True))
    for alphabet, size in zip(alphabets, sizes, strict=True):
        if of_alphabet[alphabet] != size:
            raise ValueError(f"alphabets={alphabets}: fields of one alphabet must have as many values, not {sizes}")
    return alphabets


def nothing_of(space: spaces.MultiDiscrete) -> tuple[int | None, ...]:
    """Return the value of each field that shows nothing, as the space says in `space.nothing`; None where it does not.

    Raises:
        ValueError: if they do not fit the fields.
    """
    sizes = space.nvec.tolist()
    nothing = tuple(getattr(space, "nothing", (None,) * len(sizes)))
    if len(nothing) != len(sizes) or any(
        value is not None and not 0 <= value < size for value, size in zip(nothing, sizes, strict=False)
    ):
        raise ValueError(
            f"nothing={nothing} of the observation space must be a value of each field, of {sizes}, or None"
        )
    return nothing


class FieldEncoder(nn.Module):
    """Sums what each symbol means in its field, and what it means in any field of its alphabet.

    So an agent that asks "where is this symbol?" need not learn anew, for every pair of fields, that they are the same.
    Meanings start orthogonal, as far as D allows, so that no symbol is a little like another by chance. What shows
    nothing starts without a meaning: two events have nothing in common because a field of each is empty.

    Args:
        space: says which fields have one alphabet, see `alphabets_of`, and what shows nothing, see `nothing_of`.
        features_dim: D.
    """

    rows: Tensor

    def __init__(self, space: spaces.MultiDiscrete, features_dim: int) -> None:
        super().__init__()
        alphabets, sizes = alphabets_of(space) or (), space.nvec.tolist()
        first, rows, start = [], [], 0
        for size in sizes:
            first.append(start)
            start += size
        shared: dict[int, int] = {}
        for field, alphabet in enumerate(alphabets):
            rows.append((field, first[field]))
            if alphabets.count(alphabet) > 1:
                if alphabet not in shared:
                    shared[alphabet], start = start, start + sizes[field]
                rows.append((field, shared[alphabet]))
        self.register_buffer("rows", torch.tensor(rows).t(), persistent=False)
        self.meaning = nn.Embedding(start, features_dim)
        with torch.no_grad():
            nn.init.orthogonal_(self.meaning.weight, gain=features_dim**0.5)  # of the length that a normal start has
            self.meaning.weight.mul_(start**-0.5)
            self.meaning.weight[sum(sizes) :].mul_(IN_ANY_FIELD)
            nothing = nothing_of(space)
            for field, row in rows:
                value = nothing[field]
                if value is not None:
                    self.meaning.weight[row + value] = 0.0

    def forward(self, symbols: Tensor) -> Tensor:
        """Encode symbols [X, F] to [X, D]; a sum, so that what two events have in common is a difference of them."""
        field, first = self.rows
        meanings: Tensor = self.meaning(symbols.long()[:, field] + first)
        return meanings.sum(1)
