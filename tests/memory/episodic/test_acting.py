"""One step of acting in C against its definition, along an episode that fills, replaces and starts anew."""

import copy
import os
import shutil
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from engram.memory.episodic.acting import definition, native
from engram.memory.episodic.acting.cache import SlotCache
from engram.memory.episodic.acting.native import NativeStep
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import fresh, started
from engram.memory.interface import StepSequence
from engram.memory.state import leaves


class Event(NamedTuple):
    """Two pieces of different sizes and types."""

    numbers: Tensor
    symbols: Tensor


IN_C = shutil.which("cc") is not None and os.environ.get("ENGRAM_NATIVE") != "0"
BATCH, SLOTS, HIDDEN, ENCODED, TIME, KINDS = 5, 7, 11, 3, 41, 23


def made(dtype=torch.float32, hops=1, embedding=4, slots=SLOTS, filled=0.4):
    """An attention whose weights all matter, the state of a memory in which a few slots are filled, and its cache."""
    torch.manual_seed(0)
    attention = EventAttention(ENCODED, HIDDEN, 3, 5, 2, hops, 0.3, embedding).to(dtype)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    held = torch.rand(BATCH, slots) < filled
    hashes = torch.randint(1, KINDS, (BATCH, slots)) * 2**40
    birth = torch.arange(slots).expand(BATCH, slots).contiguous()
    events = Event(torch.randn(BATCH, slots, 2), torch.randint(0, 9, (BATCH, slots, 3, 1), dtype=torch.uint8))
    state = fresh(events, birth, hashes, held, torch.full((BATCH,), slots))
    with torch.no_grad():
        projected = attention.from_event(torch.randn(BATCH, slots, ENCODED, dtype=dtype)) * held.unsqueeze(2)
        return attention, state, SlotCache.of(projected, state, attention)


def play(attention, state, cache, first=SLOTS, in_c=True):
    """Act with a state and a cache of one's own; return what came out at each step, and the cache."""
    torch.manual_seed(1)
    state, (projected, facts) = copy.deepcopy(state), copy.deepcopy(cache[:2])
    step_in_c = NativeStep.of(attention, projected, facts, state.log) if in_c else None
    cache = SlotCache(projected, facts, step_in_c, cache.entry)
    dtype, found = attention.null_key.dtype, []
    state = state._replace(step=torch.full((BATCH,), first))
    for _ in range(TIME):
        starts = torch.rand(BATCH) < 0.1
        cache.start_episodes(starts)
        state = started(state, starts)
        hidden, encoded = torch.randn(1, BATCH, HIDDEN), torch.randn(1, BATCH, ENCODED)
        seen = torch.randint(0, 9, (3, 1, BATCH, 1), dtype=torch.uint8).movedim(0, 2)  # not in one piece
        events = Event(torch.randn(1, BATCH, 2), seen)
        steps = StepSequence(hidden.to(dtype), encoded.to(dtype), events, starts.unsqueeze(0))
        hashes = torch.randint(1, KINDS, (1, BATCH)) * 2**40
        with torch.no_grad():
            found.append(cache.act(attention, steps, state, hashes))
        state, cache = found[-1].after, cache._replace(entry=cache.entry + 1)
    return found, cache


def check(attention, state, cache, first=SLOTS):
    """Both ways act alike and leave the same cache and log."""
    expected, after = play(attention, state, cache, first, in_c=False)
    found, own = play(attention, state, cache, first)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one.slot, other.slot)
        torch.testing.assert_close(other.read, one.read)
        torch.testing.assert_close(other.trace, one.trace)
        assert torch.equal(other.after.newest, one.after.newest)
        assert torch.equal(other.after.step, one.after.step)
    logs = zip(leaves(expected[-1].after.log), leaves(found[-1].after.log), strict=True)
    assert all(torch.equal(one, other) for one, other in logs)
    filled = after.facts.filled
    assert torch.equal(own.facts.filled, filled)
    for name in ("event_hash", "birth", "duplicates"):
        assert torch.equal(getattr(own.facts, name)[filled], getattr(after.facts, name)[filled])
    torch.testing.assert_close(own.projected, after.projected)
    return expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("embedding", [0, 4])
def test_a_step_in_c_is_that_of_the_definition(embedding, dtype):
    found = check(*made(dtype, embedding=embedding))
    slots = torch.cat([step.slot for step in found])
    assert set(slots.flatten().tolist()) == {-1, *range(SLOTS)}  # all is met: also an event that is not written


@pytest.mark.parametrize("slots", [1, 64, 67])
def test_any_number_of_slots(slots):
    check(*made(slots=slots))


def test_ages_of_a_million():
    check(*made(filled=1.0), first=10**6)


def test_ages_at_the_borders_of_their_buckets():
    attention, state, cache = made(filled=1.0, slots=30)
    starts = attention.age_bias.starts[60:75]
    cache.facts.birth[:] = 10**5 - torch.cat([starts, starts - 1])
    check(attention, state, cache, first=10**5)


def test_under_autocast_a_step_is_left_to_the_definition():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check(*made())


def test_several_hops_are_left_to_the_definition():
    check(*made(hops=2))


@pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
def test_on_a_cpu_with_a_compiler_a_step_is_in_c(monkeypatch):
    monkeypatch.setattr(definition, "act", None)
    play(*made())


def test_without_a_compiler_a_step_is_that_of_torch(monkeypatch):
    attention, state, cache = made()
    expected, _ = play(attention, state, cache, in_c=False)
    monkeypatch.setattr(native, "library", lambda *_, **__: None)
    found, _ = play(attention, state, cache)
    for one, other in zip(leaves(expected), leaves(found), strict=True):
        assert torch.equal(one, other)
