"""The book of many slots takes the slots that `SlotFacts` takes, and counts the same duplicates."""

import pytest
import torch

from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.episodic.sparse import book as module
from engram.memory.episodic.sparse.book import SlotBook, TorchBook, book_of
from engram.memory.episodic.sparse.cache import bias_of
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.native.build import library

IN_C = library(module._SOURCE, torch.float32) is not None
needs_a_compiler = pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
ROWS, SLOTS, KINDS, TIME = 3, 7, 9, 200
MANY = 2503
"""Slots of several blocks, of which the last is not full."""


def random_slots(rows, slots, kinds, share):
    """Log gates, of which some are equal, hashes, births and which are filled."""
    births = torch.stack([torch.randperm(slots) for _ in range(rows)])
    filled = torch.rand(rows, slots) < share
    return -torch.randint(0, 5, (rows, slots)).float(), torch.randint(1, kinds, (rows, slots)), births, filled


def assert_same(book, facts):
    filled = facts.filled
    assert torch.equal(book.occupied, filled.sum(1))
    assert not filled[:, book.used() :].any()
    assert filled[:, : book.used()].any(1).all() or not book.used()
    rows, slots = torch.ones_like(filled).nonzero(as_tuple=True)
    assert torch.equal(book.crowds(rows, slots), torch.where(filled, facts.duplicates, 1).flatten())
    beyond = torch.cat([slots.view(filled.shape), slots[:ROWS].view(-1, 1)[: len(filled)] + filled.shape[1]], dim=1)
    beyond = beyond.view(len(beyond), 2, -1) if beyond.shape[1] % 2 == 0 else beyond.unsqueeze(1)
    entries = torch.randint(1, 99, filled.shape)
    known = book.look_up(beyond, torch.full((len(filled),), 1000), entries)
    known = type(known)(*(part.flatten(1) for part in known))
    alive = torch.nn.functional.pad(filled, (0, 1))
    assert torch.equal(known.place, torch.nn.functional.pad(entries * filled, (0, 1)))
    assert torch.equal(known.found, torch.where(known.alive, beyond.flatten(1), module.NOTHING))
    assert torch.equal(known.alive, alive)
    assert torch.equal(known.event_hash[alive], facts.event_hash[filled])
    assert torch.equal(known.age[alive], 1000 - facts.birth[filled])
    assert torch.equal(known.crowd[alive], facts.duplicates[filled])
    assert torch.equal(known.crowd[~alive], torch.ones_like(known.crowd[~alive]))
    assert not known.age[~alive].any()
    assert not known.event_hash[~alive].any()
    for name in ("log_gates", "event_hash", "birth"):
        assert torch.equal(getattr(book, name)[filled], getattr(facts, name)[filled]), name
    assert torch.equal(book.rank, facts.rank)


@pytest.mark.parametrize("kind", [pytest.param(SlotBook, marks=needs_a_compiler), TorchBook])
@pytest.mark.parametrize("seed", range(12))
def test_it_does_what_the_facts_do(kind, seed):
    torch.manual_seed(seed)
    known = random_slots(ROWS, SLOTS, KINDS, (0.0, 0.5, 1.0)[seed % 3])
    facts = SlotFacts.of(*known)
    book = SlotBook.of(*known) if kind is SlotBook else TorchBook(*SlotFacts.of(*known))
    taken = set()
    for time in range(SLOTS, SLOTS + TIME):
        gate, new = -torch.randint(0, 6, (ROWS,)).float(), torch.randint(1, KINDS + 30 * (time % 2), (ROWS,))
        starts = torch.rand(ROWS) < 0.02
        for either in (facts, book):
            either.start_episodes(starts)
        births = torch.full((ROWS,), time)
        slot = facts.take_by_torch(gate, new, births)
        assert torch.equal(book.take(gate, new, births), slot)
        assert_same(book, facts)
        taken.update(slot.tolist())
    assert taken == {NOT_WRITTEN, *range(SLOTS)}


@needs_a_compiler
@pytest.mark.parametrize("slots", [2 * module._BLOCK, MANY])
@pytest.mark.parametrize(("kinds", "share"), [(2000, 1.0), (10**9, 0.9), (3, 1.0)])
def test_it_does_so_with_many_slots(kinds, share, slots):
    torch.manual_seed(1)
    known = random_slots(2, slots, kinds, share)
    facts, book = SlotFacts.of(*known), SlotBook.of(*known)
    assert_same(book, facts)
    blocks = facts.rank.split(module._BLOCK, dim=1)
    assert torch.equal(book.least, torch.stack([block.amin(1) for block in blocks], dim=1))
    for time in range(slots, slots + 600):
        gate, new, births = -5 * torch.rand(2), torch.randint(1, kinds, (2,)), torch.full((2,), time)
        assert torch.equal(book.take(gate, new, births), facts.take_by_torch(gate, new, births))
    assert_same(book, facts)


@needs_a_compiler
def test_biases_are_renewed_at_every_age():
    torch.manual_seed(2)
    attention = EventAttention(2, 3, 2, 5, 3, 1, 0.3, 0)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    ages = torch.arange(1, 65)  # each has a bucket of its own
    known = -torch.rand(1, 64), torch.randint(1, 50, (1, 64)), 100 - ages.view(1, -1), torch.ones(1, 64).bool()
    book, slots, keys = SlotBook.of(*known), torch.arange(64), SearchKeys.empty(1, 2, 64, 5, torch.device("cpu"))
    book.renew(slots.view(1, -1), torch.tensor([100]), attention.learned(), attention.age_bias.starts, keys)
    expected = bias_of(attention, known[0][0], ages, book.crowds(torch.zeros_like(slots), slots))
    torch.testing.assert_close(keys.bias[0].t(), expected.detach())


@needs_a_compiler
def test_it_is_in_c_where_it_can_be(monkeypatch):
    known = random_slots(ROWS, SLOTS, KINDS, 0.5)
    assert type(book_of(*known)) is SlotBook
    monkeypatch.setattr(module, "library", lambda *_: None)
    assert type(book_of(*known)) is TorchBook
