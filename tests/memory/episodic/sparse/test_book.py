"""The book of many slots takes the slots that `SlotFacts` takes, and counts the same duplicates."""

import pytest
import torch

from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.episodic.sparse.book import SlotBook

SLOTS, KINDS, TIME = 7, 9, 200


@pytest.mark.parametrize("seed", range(20))
def test_it_does_what_the_facts_do(seed):
    torch.manual_seed(seed)
    filled = torch.rand(1, SLOTS) < (0.0, 0.5, 1.0)[seed % 3]
    gates = -torch.randint(0, 5, (1, SLOTS)).float()  # some are equal
    kinds, births = torch.randint(1, KINDS, (1, SLOTS)), torch.randperm(SLOTS).unsqueeze(0)
    facts = SlotFacts.of(gates, kinds, births, filled)
    held = filled[0].nonzero().flatten()
    book = SlotBook(SLOTS, held, gates[0, held], births[0, held], kinds[0, held])
    taken = set()
    for time in range(SLOTS, SLOTS + TIME):
        gate, kind = -torch.randint(0, 6, (1,)).float(), torch.randint(1, KINDS + 30 * (time % 2), (1,))
        slot = facts.take(gate, kind, torch.tensor([time])).item()
        assert book.take(gate.item(), kind.item(), time) == slot
        taken.add(slot)
        for number, count in book.counts.items():
            here = (facts.event_hash[0] == number) & facts.filled[0]
            assert here.sum() == count
            assert (facts.duplicates[0, here] == count).all()
        assert sum(book.counts.values()) == facts.filled.sum()
        assert not facts.filled[0, book.used :].any()
    assert taken >= {NOT_WRITTEN, *range(SLOTS)} - {NOT_WRITTEN}
