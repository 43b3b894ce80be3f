"""One step of acting in C: one call; `acting.definition` is what it is held to."""

from __future__ import annotations

import math
import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.acting.definition import TRACED, Acted
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState, EventLog, is_constant, with_constants
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.interface import StepSequence
from engram.memory.native.build import addresses, library, lie_on_cpu
from engram.memory.native.product import pack
from engram.memory.state import leaves, tree_map

_SOURCE = Path(__file__).with_suffix(".c")
_EMBEDDINGS = 1024
"""Steps whose embeddings are at hand."""


class NativeStep:
    """Acts in C, as long as the weights stay: what lies where it is from step to step is told once.

    Args:
        compiled: the library.
        attention: of the memory, with a single hop.
        projected, facts: as in `SlotCache`; they are written to, in place.
        log: of the state, for its shape.
    """

    def __init__(
        self, compiled: Any, attention: EventAttention, projected: Tensor, facts: SlotFacts, log: EventLog
    ) -> None:
        self._compiled, self._read_size, self._dtype = compiled, attention.read_size, projected.dtype
        (of_hidden, of_event), embedding = weights_of(attention), attention.step_embedding
        embeddings = attention.embedded(torch.arange(_EMBEDDINGS))
        encoded = attention.from_event.in_features
        self._shapes = (1, len(projected), of_hidden.shape[1]), (1, len(projected), encoded)
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
        written = [leaf for leaf in leaves(log) if not is_constant(leaf)]
        self._has_constants = len(written) < len(list(leaves(log)))
        self._rows = [(leaf.dtype, (1, len(projected), *leaf.shape[2:])) for leaf in written]
        self._sizes = [struct.pack("q", leaf.element_size() * math.prod(leaf.shape[2:])) for leaf in written]
        counts = (*sizes, *buckets, _EMBEDDINGS, log.birth.shape[1], len(self._rows))
        self._counts, self._at = struct.pack("10q", *counts), addresses(*self._kept)

    @staticmethod
    def of(attention: EventAttention, projected: Tensor, facts: SlotFacts, log: EventLog) -> NativeStep | None:
        """Return the step in C where that can do what the definition does: on a CPU with a compiler, for one hop."""
        dtype, (heads, key_size) = attention.null_key.dtype, attention.null_key.shape
        floats = (projected, facts.log_gates, facts.duplicates, attention.normalize.weight)
        if len(attention.queries) > 1 or not lie_on_cpu(dtype, *((part, part.shape) for part in floats)):
            return None
        compiled = library(_SOURCE, dtype, R=heads, W=key_size, V=attention.value_size)
        return None if compiled is None else NativeStep(compiled, attention, projected, facts, log)

    def __call__(self, steps: StepSequence, state: EpisodicState, hashes: Tensor, entry: int) -> Acted | None:
        """Do what `definition.act` does; return None, and do nothing, under autocast or for other types."""
        hidden, encoded = steps.hidden.contiguous(), steps.encoded.contiguous()
        given = zip((hidden, encoded), self._shapes, strict=True)
        if torch.is_autocast_enabled("cpu") or not lie_on_cpu(self._dtype, *given):
            return None
        step, before = state.step.contiguous(), state.newest.contiguous()
        log = state.log
        if self._has_constants:
            log = with_constants(log, tree_map(lambda leaf: leaf[0], steps.events))
        written = zip(leaves(log), (*leaves(steps.events), step.unsqueeze(0), hashes), strict=True)
        logs, rows = zip(*((to, leaf.contiguous()) for to, leaf in written if not is_constant(to)), strict=True)
        if any(row.dtype != dtype or row.shape != shape for row, (dtype, shape) in zip(rows, self._rows, strict=True)):
            return None
        read = hidden.new_empty(1, len(step), self._read_size)
        slot, after, following = torch.empty_like(hashes), torch.empty_like(before), torch.empty_like(step)
        trace = hidden.new_empty(len(TRACED), *slot.shape)
        pieces = b"".join(addresses(*pair) + size for *pair, size in zip(logs, rows, self._sizes, strict=True))
        at = addresses(hidden, encoded, hashes, step, before, read, slot, after, following, trace)
        if self._compiled.act(self._counts, self._at, at, pieces, c_int64(entry)) < 0:
            raise MemoryError("too little memory for a step of acting")
        return Acted(read, slot, trace, state._replace(log=log, newest=after, step=following))


def weights_of(attention: EventAttention) -> tuple[Tensor, Tensor]:
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
