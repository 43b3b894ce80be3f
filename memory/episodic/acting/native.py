"""One step of acting in C: one call; `acting.definition` is what it is held to."""

from __future__ import annotations

import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.episodic.acting.definition import TRACED, Acted
from engram.memory.episodic.acting.pieces import LogPieces
from engram.memory.episodic.acting.products import StepProducts, seen_shapes
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState, EventLog, with_constants
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.interface import StepSequence
from engram.memory.native.build import addresses, library, lie_on_cpu
from engram.memory.state import tree_map

_SOURCE = Path(__file__).with_suffix(".c")


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
        (rows, slots), self._shapes = projected.shape[:2], seen_shapes(attention, len(projected))
        products, self._pieces = StepProducts.of(attention, compiled), LogPieces(log)
        self._kept = (  # as in C
            *products,
            *attention.learned(),
            attention.age_bias.starts,
            attention.normalize.weight,
            attention.normalize.bias,
            projected,
            *facts,
        )
        counts = (slots, len(attention.age_bias.table), len(attention.age_bias.starts), self._pieces.count)
        self._counts = products.sizes(attention, rows) + struct.pack("4q", *counts)
        self._at = addresses(*self._kept)

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
        if self._pieces.has_constants:
            log = with_constants(log, tree_map(lambda leaf: leaf[0], steps.events))
        pieces = self._pieces.of(log, EventLog(steps.events, step.unsqueeze(0), hashes))
        if pieces is None:
            return None
        read = hidden.new_empty(1, len(step), self._read_size)
        slot, after, following = torch.empty_like(hashes), torch.empty_like(before), torch.empty_like(step)
        trace = hidden.new_empty(len(TRACED), *slot.shape)
        at = addresses(hidden, encoded, hashes, step, before, read, slot, after, following, trace)
        if self._compiled.act(self._counts, self._at, at, pieces[0], c_int64(entry)) < 0:
            raise MemoryError("too little memory for a step of acting")
        return Acted(read, slot, trace, state._replace(log=log, newest=after, step=following))
