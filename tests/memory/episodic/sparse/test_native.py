"""One step of acting with sparse reads in C against its definition: episodes that fill, replace and start anew."""

import os
import shutil
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from engram.memory.episodic.event_log import capacity
from engram.memory.episodic.sparse import cache as cache_module
from engram.memory.episodic.sparse import definition, native
from engram.memory.episodic.sparse.memory import SparseEpisodicMemory
from engram.memory.episodic.sparse.native import NativeStep
from engram.memory.interface import StepSequence
from engram.memory.state import leaves, tree_map


class Event(NamedTuple):
    """Pieces of different sizes and types; the last one is constant over an episode."""

    numbers: Tensor
    symbols: Tensor
    mission: Tensor


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2 + 3 + 1, ENCODED)

    def forward(self, event):
        assert event.numbers.isfinite().all()
        assert event.symbols.max() < 9
        parts = [leaf.flatten(1).to(self.linear.weight.dtype) for leaf in event]
        return torch.tanh(self.linear(torch.cat(parts, dim=1) / 5))


IN_C = shutil.which("cc") is not None and os.environ.get("ENGRAM_NATIVE") != "0"
needs_a_compiler = pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
BATCH, SLOTS, HIDDEN, ENCODED, TIME, KINDS = 5, 7, 11, 3, 61, 23


def made(dtype=torch.float32, embedding=4, slots=SLOTS, k=4, compared=None, constant=(False, False, True), gate=0.3):
    """A memory whose weights all matter."""
    torch.manual_seed(0)
    event = Event(torch.zeros(1, 2), torch.zeros(1, 3, 1, dtype=torch.uint8), torch.zeros(1, 1, dtype=torch.int64))
    sizes = {"slots": slots, "heads": 3, "key_size": 5, "value_size": 2, "step_embedding_size": embedding, "k": k}
    encoder = Encoder().to(dtype)
    memory = SparseEpisodicMemory(encoder, event, ENCODED, HIDDEN, read="sparse", **sizes).to(dtype)
    memory.compared, memory.constant = compared, constant
    for parameter in memory.parameters():
        nn.init.normal_(parameter)
    nn.init.constant_(memory.attention.from_event.bias[-1:], gate)
    return memory


@torch.no_grad()
def play(memory, first=0, time=TIME, encoded_as=None):
    """Act step by step; return what came out, what was logged then, and the cache."""
    torch.manual_seed(1)
    state, cache, found = memory.initial_state(BATCH), None, []
    state = state._replace(step=torch.full((BATCH,), first))
    pool = torch.randn(KINDS, 2), torch.randint(0, 9, (3, KINDS, 1), dtype=torch.uint8).movedim(0, 1)
    mission = torch.zeros(BATCH, 1, dtype=torch.int64)
    for _ in range(time):
        starts, kind = torch.rand(1, BATCH) < 0.03, torch.randint(KINDS, (1, BATCH))
        mission = torch.where(starts[0].unsqueeze(1), torch.randint(9, (BATCH, 1)), mission)
        events = Event(*(leaf[kind] for leaf in pool), mission.unsqueeze(0))
        encoded = memory.encode(tree_map(lambda leaf: leaf[0], events)).unsqueeze(0).to(encoded_as)
        hidden = torch.randn(1, BATCH, HIDDEN).to(memory.attention.null_key.dtype)
        output = memory(StepSequence(hidden, encoded, events, starts), state, None, cache)
        state, cache = output.state, output.cache
        copied = output.state._replace(newest=state.newest.clone(), replaced=state.replaced.clone())
        found.append(output._replace(state=copied, cache=None))
    return found, cache


def check(monkeypatch, memory, **kwargs):
    """Both ways act alike and leave the same cache and log."""
    found, own = play(memory, **kwargs)
    with monkeypatch.context() as without:
        without.setattr(NativeStep, "of", lambda *_: None)
        expected, cache = play(memory, **kwargs)
    assert own.native is not None or not IN_C
    assert cache.native is None
    for one, other in zip(expected, found, strict=True):
        for name in ("read", "trace", "decisions", "state"):
            assert_close(getattr(other, name), getattr(one, name), name)
    for name in ("keys", "recent", "entry"):
        assert_close(getattr(own, name), getattr(cache, name), name)
    if IN_C:
        filled = cache.book.rank > torch.iinfo(torch.int64).min
        assert torch.equal(own.book.rank > torch.iinfo(torch.int64).min, filled)
        for name in ("log_gates", "event_hash", "birth"):
            assert_close(getattr(own.book, name)[filled], getattr(cache.book, name)[filled], name)
        assert_close(own.book[-2:], cache.book[-2:], "ends")
    return found


def assert_close(one, other, name):
    if isinstance(one, dict):
        one, other = tuple(one.values()), tuple(other.values())
    if isinstance(one, int):
        assert one == other, name
        return
    for value, expected in zip(leaves(one), leaves(other), strict=True):
        atol = {torch.float32: 1e-5, torch.float64: 1e-12}.get(value.dtype, 0)
        torch.testing.assert_close(value, expected, rtol=0, atol=atol, msg=lambda text: f"{name}: {text}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("embedding", [0, 4])
def test_a_step_in_c_is_that_of_the_definition(monkeypatch, embedding, dtype):
    found = check(monkeypatch, made(dtype, embedding))
    slots = torch.cat([step.decisions.slot for step in found])
    assert set(slots.flatten().tolist()) == {-1, *range(SLOTS)}  # all is met: also an event that is not written
    read = torch.cat([step.decisions.duplicates for step in found])
    assert read.max() > 1


@pytest.mark.parametrize(("slots", "k"), [(1, 1), (2, 2), (67, 5), (67, 67)])
def test_any_number_of_slots(monkeypatch, slots, k):
    constant = None if slots == 1 else (False, False, True)
    check(monkeypatch, made(slots=slots, k=k, constant=constant), time=3 * max(slots, 20))


@pytest.mark.parametrize("constant", [None, (False, False, True)])
def test_where_only_parts_of_events_are_compared_all_of_each_is_read(monkeypatch, constant):
    found = check(monkeypatch, made(compared=(False, True, False), constant=constant))
    assert torch.cat([step.decisions.duplicates for step in found]).max() > 1


def test_ages_of_a_million(monkeypatch):
    check(monkeypatch, made(torch.float64), first=10**6 - 20)


def test_a_log_that_is_full_is_copied(monkeypatch):
    check(monkeypatch, made(slots=2, k=2), time=capacity(2) + 9)


@needs_a_compiler
def test_on_a_cpu_with_a_compiler_a_step_is_in_c(monkeypatch):
    monkeypatch.setattr(definition, "act", None)
    play(made())


@needs_a_compiler
@pytest.mark.parametrize("encoded_as", [torch.bfloat16, torch.float32])
def test_with_autocast_a_step_is_that_of_the_definition(monkeypatch, encoded_as):
    monkeypatch.setattr(native, "pieces_of", None)  # nothing is looked up
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = play(made(), encoded_as=encoded_as)
        monkeypatch.setattr(NativeStep, "of", lambda *_: None)
        expected, _ = play(made(), encoded_as=encoded_as)
    for one, other in zip(expected, found, strict=True):
        assert_close(other._replace(cache=(), trace=()), one._replace(cache=(), trace=()), "autocast")


def test_without_a_compiler_a_step_is_that_of_the_definition(monkeypatch):
    monkeypatch.setattr(native, "library", lambda *_, **__: None)
    found, cache = play(made())
    assert cache.native is None
    assert cache_module.NativeStep is NativeStep
    assert torch.stack([step.read for step in found]).isfinite().all()
