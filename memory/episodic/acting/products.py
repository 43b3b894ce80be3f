"""The products of a step of acting in C, prepared once for as long as the weights stay: see `products.h`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.attention import EventAttention
from engram.memory.native.product import pack

_EMBEDDINGS = 1024
"""Steps whose embeddings are at hand."""


class StepProducts(NamedTuple):
    """What is asked, and what of the step's event is kept."""

    of_hidden: Tensor  # packed
    of_event: Tensor  # packed
    constant: Tensor  # [R * W + what is kept]
    embeddings: Tensor  # [embeddings, E]
    frequencies: Tensor | None  # [E] float64; None without order addressing
    phases: Tensor | None

    @staticmethod
    def of(attention: EventAttention, compiled: Any, kept: Sequence[int] | None = None) -> StepProducts:
        """Prepare them.

        Args:
            attention: of the memory, with a single hop.
            compiled: a library that includes `product.h`.
            kept: which of the numbers [S] of a projected event are kept; None for all.
        """
        (of_hidden, of_query), (of_event, bias) = of_queries(attention), of_events(attention)
        if kept is not None:
            of_event, bias = of_event[list(kept)], bias[list(kept)]
        embedding, embeddings = attention.step_embedding, attention.embedded(torch.arange(_EMBEDDINGS))
        return StepProducts(
            pack(compiled, of_hidden.t()),
            pack(compiled, torch.cat([of_query, of_event]).t()),
            torch.cat([cast(nn.Linear, attention.queries[0]).bias, bias]),
            embeddings,
            None if embedding is None else embedding.frequencies.double(),
            None if embedding is None else embedding.phases.double(),
        )

    def sizes(self, attention: EventAttention, rows: int) -> bytes:
        """Return `ProductSizes` of the C code, for B rows."""
        (_, _, hidden), (_, _, encoded) = seen_shapes(attention, rows)
        (known, size), queries = self.embeddings.shape, attention.null_key.numel()
        return struct.pack("7q", rows, hidden, encoded, size, known, queries, len(self.constant))


def seen_shapes(attention: EventAttention, rows: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes [1, B, H] and [1, B, D] of the hidden vectors and encoded events of a step."""
    encoded = attention.from_event.in_features
    return (1, rows, cast(nn.Linear, attention.queries[0]).in_features - encoded), (1, rows, encoded)


def of_queries(attention: EventAttention) -> tuple[Tensor, Tensor]:
    """Return the weights of the query: of the hidden vector [R * W, H], of encoded event and step [R * W, D + E]."""
    query = cast(nn.Linear, attention.queries[0])
    of_hidden, of_event = query.weight.tensor_split([query.in_features - attention.from_event.in_features], dim=1)
    if attention.step_embedding is not None:
        of_event = torch.cat([of_event, attention.query_of_step.weight], dim=1)
    return of_hidden.contiguous(), of_event.contiguous()


def of_events(attention: EventAttention) -> tuple[Tensor, Tensor]:
    """Return the weight [S, D + E] and the bias [S] of events, of their encodings and the steps they happened at."""
    weight = attention.from_event.weight
    if attention.step_embedding is not None:
        of_step = attention.key_of_step.weight
        of_step = nn.functional.pad(of_step, (0, 0, 0, len(weight) - len(of_step)))  # values and gates have none
        weight = torch.cat([weight, of_step], dim=1)
    return weight.contiguous(), attention.from_event.bias
