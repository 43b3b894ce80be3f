"""One step of acting in C: one call beside two products; `acting.definition` is what it is held to."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engram.memory.episodic.acting import definition
from engram.memory.episodic.acting.cache import SlotCache
from engram.memory.episodic.acting.definition import TRACED, Acted
from engram.memory.episodic.attention import EventAttention
from engram.memory.interface import StepSequence
from engram.memory.native.build import addresses, library, lie_on_cpu

_SOURCE = Path(__file__).with_suffix(".c")


def act(attention: EventAttention, steps: StepSequence, step: Tensor, hashes: Tensor, cache: SlotCache) -> Acted:
    """See `definition.act`; in C on a CPU that has a compiler, for a single hop."""
    if (compiled := _library(attention, cache)) is None:
        return definition.act(attention, steps, step, hashes, cache)
    products = cache.products
    seen = torch.cat([steps.hidden[0], steps.encoded[0], attention.embedded(step)], dim=1)
    queries = torch.addmm(products.query_bias, seen, products.query_weight)
    own = torch.addmm(products.event_bias, seen[:, steps.hidden.shape[2] :], products.event_weight)
    log_gate, (rows, slots, _) = nn.functional.logsigmoid(own[:, -1]), cache.projected.shape
    given = (queries, own, log_gate, hashes, step)
    if not lie_on_cpu(cache.projected.dtype, *((part, part.shape) for part in given[:3])):  # autocast
        return definition.act(attention, steps, step, hashes, cache)
    read, slot = own.new_empty(rows, attention.read_size), torch.empty_like(step)
    trace = own.new_empty(len(TRACED), rows)
    counts = struct.pack("4q", rows, slots, len(products.learned.age_bias), len(attention.age_bias.starts))
    normalize = (attention.normalize.weight, attention.normalize.bias)
    at = addresses(
        *given,
        cache.projected,
        *cache.facts,
        *products.learned,
        attention.age_bias.starts,
        *normalize,
        read,
        slot,
        *trace,
    )
    if compiled.act(counts, at) < 0:
        raise MemoryError("too little memory for a step of acting")
    return Acted(read, slot, trace)


def _library(attention: EventAttention, cache: SlotCache) -> Any:
    """Return the library where it can do what the definition does."""
    (heads, key_size), value_size = attention.null_key.shape, attention.value_size
    floats = (cache.projected, cache.facts.log_gates, cache.facts.duplicates, attention.normalize.weight)
    expected = [(part, part.shape) for part in floats]
    if len(attention.queries) > 1 or not lie_on_cpu(attention.null_key.dtype, *expected):
        return None
    return library(_SOURCE, attention.null_key.dtype, R=heads, W=key_size, V=value_size)
