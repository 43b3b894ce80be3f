"""Attention to events in C: one call, and another one for the gradients; `attend.definition` is what it is held to."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.episodic.attend import definition
from engram.memory.episodic.attend.definition import Events, Found, Learned
from engram.memory.episodic.reach import Reach
from engram.memory.native.build import addresses, library, lie_on_cpu, why_not_native
from engram.memory.paths import FUSED, NATIVE

_SOURCE = Path(__file__).with_suffix(".c")


def attend(queries: Tensor, events: Events, reach: Reach, learned: Learned) -> Found:
    """See `definition.attend`; in C on a CPU that has a compiler."""
    if (compiled := _library(queries, events, reach, learned)) is None:
        return definition.attend(queries, events, reach, learned)
    tensors = (queries, *events, *reach, *learned)
    if not torch.is_grad_enabled():
        return _forward(compiled, tuple(map(_contiguous, tensors)))
    apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _NativeAttention.apply
    return Found(*apply(compiled, *tensors))


def path(null_key: Tensor, null_value: Tensor) -> str:
    """Return which implementation reads where the parameters are these (see `memory.paths`)."""
    if not null_key.is_cpu:
        return FUSED
    reason = why_not_native(_SOURCE, null_key.dtype, **_sizes(null_key, null_value))
    return f"{FUSED}: {reason}" if reason else NATIVE


class _NativeAttention(torch.autograd.Function):
    """See `attend`."""

    @staticmethod
    def forward(ctx: Any, compiled: Any, *tensors: Tensor | None) -> Found:
        given = tuple(map(_contiguous, tensors))
        found = _forward(compiled, given)
        ctx.compiled = compiled
        ctx.save_for_backward(*given, *found)
        ctx.mark_non_differentiable(found.weights)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of_found: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        queries, events, _, learned = _grouped(saved)
        of_results = tuple(part.contiguous() for part in of_found[:2])
        of_events = Events(torch.zeros_like(events.projected), None, _like(events.of_step))
        of_queries, *of_learned = map(torch.empty_like, (queries, *learned))
        to = addresses(*of_results, of_queries, of_events.projected, of_events.of_step, *of_learned)
        _check(ctx.compiled.attend_backward(_shape(saved), addresses(*saved), to))
        return None, of_queries, *of_events, None, None, None, *of_learned


def _forward(compiled: Any, given: tuple[Tensor | None, ...]) -> Found:
    queries, _, reach, learned = _grouped(given)
    (time, batch, _), heads = queries.shape, len(learned.null_key)
    found = Found(
        queries.new_empty(time, batch, learned.null_value.numel()),
        queries.new_empty(time, batch, heads),
        queries.new_empty(batch, heads, time, reach.alive.shape[2]),
    )
    _check(compiled.attend_forward(_shape(given), addresses(*given, *found)))
    return found


def _grouped(tensors: tuple[Any, ...]) -> tuple[Tensor, Events, Reach, Learned]:
    return tensors[0], Events(*tensors[1:4]), Reach(*tensors[4:7]), Learned(*tensors[7:11])


def _shape(tensors: tuple[Any, ...]) -> bytes:
    """Return `Sizes` of the C code."""
    _, events, reach, learned = _grouped(tensors)
    return struct.pack("5q", *reach.alive.shape, len(events.projected), len(learned.age_bias))


def _check(outcome: int) -> None:
    if outcome == 0:
        raise IndexError("a place of an event names one that is not there")
    if outcome < 0:
        raise MemoryError("too little memory for the attention to events")


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _like(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else torch.empty_like(tensor)


def _sizes(null_key: Tensor, null_value: Tensor) -> dict[str, int]:
    return {"R": len(null_key), "W": null_key.shape[1], "V": null_value.shape[1]}


def _library(queries: Tensor, events: Events, reach: Reach, learned: Learned) -> Any:
    """Return the library if these tensors are what it expects; torch takes the others."""
    (batch, time, candidates), (heads, key_size) = reach.alive.shape, learned.null_key.shape
    value_size, dtype = learned.null_value.shape[1], queries.dtype
    size, everywhere = heads * (key_size + value_size) + 1, (batch, time, candidates)
    expected = (
        (queries, (time, batch, heads * key_size), dtype),
        (events.projected, (len(events.projected) if events.place is not None else batch * candidates, size), dtype),
        (events.place, (batch, candidates), torch.int64),
        (events.of_step, (batch, candidates, heads * key_size), dtype),
        (reach.alive, everywhere, torch.bool),
        (reach.age, everywhere, torch.uint8),
        (reach.log_duplicates, everywhere, dtype),
        (learned.age_bias, (len(learned.age_bias), heads), dtype),
        (learned.duplicate_penalty, (heads,), dtype),
        (learned.null_key, (heads, key_size), dtype),
        (learned.null_value, (heads, value_size), dtype),
    )
    if not all(tensor is None or lie_on_cpu(kind, (tensor, shape)) for tensor, shape, kind in expected):
        return None
    return library(_SOURCE, dtype, **_sizes(learned.null_key, learned.null_value))
