"""The products of a sparse step of acting, outside the graph, prepared once for as long as the weights stay."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.acting.native import weights_of
from engram.memory.episodic.attend.definition import Learned
from engram.memory.episodic.attention import EventAttention


class HeadProduct(NamedTuple):
    """What a head needs to read."""

    weight: Tensor  # [D + E, W + V + 1] of the product with encoded events and the embedded steps beside them
    bias: Tensor  # [W + V + 1]
    learned: Learned


class StepProducts(NamedTuple):
    """What of the weights a step of acting needs."""

    of_hidden: Tensor  # [H, R * W], for the query
    of_event: Tensor  # [D + E, R * W + S] of encoded event and embedded step, for the query and for what is kept
    bias: Tensor  # [R * W + S]
    heads: tuple[HeadProduct, ...]
    learned: Learned

    @staticmethod
    def of(attention: EventAttention) -> StepProducts:
        """Gather them from the current weights."""
        of_hidden, of_event = (weight.t().contiguous() for weight in weights_of(attention))
        bias = torch.cat([cast(nn.Linear, attention.queries[0]).bias, attention.from_event.bias])
        heads, learned = attention.heads, attention.learned()
        size = heads * attention.key_size
        sizes = [size, size, heads * attention.value_size, 1]
        parts = [part.split(sizes, dim=-1)[1:] for part in (of_event, bias)]
        products = []
        for head in range(heads):
            weight, of_bias = (
                torch.cat([keys.chunk(heads, -1)[head], values.chunk(heads, -1)[head], gate], dim=-1)
                for keys, values, gate in parts
            )
            one = slice(head, head + 1)
            of_head = Learned(learned.age_bias[:, one].contiguous(), *(part[one] for part in learned[1:]))
            products.append(HeadProduct(weight, of_bias, of_head))
        return StepProducts(of_hidden, of_event, bias, tuple(products), learned)

    def __call__(self, hidden: Tensor, encoded: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """Take them, of hidden vectors [B, H], encoded events [B, D] and embedded steps [B, E].

        Returns:
            the queries [B, R * W], and the events as they are read later [B, S].
        """
        both = torch.addmm(self.bias, torch.cat([encoded, now], dim=1), self.of_event)
        queries, own = both.tensor_split([self.of_hidden.shape[1]], dim=1)
        return torch.addmm(queries, hidden, self.of_hidden), own
