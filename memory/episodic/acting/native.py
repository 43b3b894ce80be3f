"""One step of acting in C: one call; `acting.definition` is what it is held to."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.acting.definition import TRACED, Acted
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.interface import StepSequence
from engram.memory.native.build import addresses, library, lie_on_cpu
from engram.memory.native.product import pack

_SOURCE = Path(__file__).with_suffix(".c")
_EMBEDDINGS = 1024
"""Steps whose embeddings are at hand."""


class NativeStep:
    """Acts in C, as long as the weights stay: what lies where it is from step to step is told once.

    Args:
        compiled: the library.
        attention: of the memory, with a single hop.
        projected, facts: as in `SlotCache`; they are written to, in place.
    """

    def __init__(self, compiled: Any, attention: EventAttention, projected: Tensor, facts: SlotFacts) -> None:
        self._compiled, self._read_size, self._dtype = compiled, attention.read_size, projected.dtype
        (of_hidden, of_event), embedding = _weights_of(attention), attention.step_embedding
        embeddings = attention.embedded(torch.arange(_EMBEDDINGS))
        encoded = attention.from_event.in_features
        self._shapes = (len(projected), of_hidden.shape[1]), (len(projected), encoded)
        self._kept = (  # as in C
            pack(compiled, of_hidden.t()),
            pack(compiled, of_event.t()),
            torch.cat([cast(nn.Linear, attention.queries[0]).bias, attention.from_event.bias]),
            embeddings,
            None if embedding is None else embedding.frequencies.double(),
            None if embedding is None else embedding.phases.double(),
            *attention.learned(),
            attention.age_bias.starts,
            attention.normalize.weight,
            attention.normalize.bias,
            projected,
            *facts,
        )
        sizes = (*projected.shape[:2], of_hidden.shape[1], encoded, embeddings.shape[1])
        buckets = (len(attention.age_bias.table), len(attention.age_bias.starts))
        self._counts, self._at = struct.pack("8q", *sizes, *buckets, _EMBEDDINGS), addresses(*self._kept)

    @staticmethod
    def of(attention: EventAttention, projected: Tensor, facts: SlotFacts) -> NativeStep | None:
        """Return the step in C where that can do what the definition does: on a CPU with a compiler, for one hop."""
        dtype, (heads, key_size) = attention.null_key.dtype, attention.null_key.shape
        floats = (projected, facts.log_gates, facts.duplicates, attention.normalize.weight)
        if len(attention.queries) > 1 or not lie_on_cpu(dtype, *((part, part.shape) for part in floats)):
            return None
        compiled = library(_SOURCE, dtype, R=heads, W=key_size, V=attention.value_size)
        return None if compiled is None else NativeStep(compiled, attention, projected, facts)

    def __call__(self, steps: StepSequence, step: Tensor, hashes: Tensor) -> Acted | None:
        """Do what `definition.act` does; return None, and do nothing, if numbers are of another type (autocast)."""
        hidden, encoded = steps.hidden[0].contiguous(), steps.encoded[0].contiguous()
        if not lie_on_cpu(self._dtype, *zip((hidden, encoded), self._shapes, strict=True)):
            return None
        rows = len(step)
        read, slot = hidden.new_empty(rows, self._read_size), torch.empty_like(step)
        trace = hidden.new_empty(len(TRACED), rows)
        at = addresses(hidden, encoded, hashes, step, read, slot, trace)
        if self._compiled.act(self._counts, self._at, at) < 0:
            raise MemoryError("too little memory for a step of acting")
        return Acted(read, slot, trace)


def _weights_of(attention: EventAttention) -> tuple[Tensor, Tensor]:
    """Return the weights of the query and of what is kept of an event, one above the other.

    Returns:
        of the hidden vector, which only the query sees, [R * W, H]; and of the encoded event with the embedded step
        behind it, [R * W + S, D + E].
    """
    query, event = cast(nn.Linear, attention.queries[0]), attention.from_event
    of_hidden, of_encoded = query.weight.tensor_split([query.in_features - event.in_features], dim=1)
    of_event = torch.cat([of_encoded, event.weight])
    if attention.step_embedding is not None:
        of_step = torch.cat([attention.query_of_step.weight, attention.key_of_step.weight])
        of_step = nn.functional.pad(of_step, (0, 0, 0, len(of_event) - len(of_step)))  # values and gates have none
        of_event = torch.cat([of_event, of_step], dim=1)
    return of_hidden.contiguous(), of_event
