"""A step's events are appended to the log, and nothing else is written."""

import copy

import pytest
import torch

from engram.memory.episodic import append as module
from engram.memory.episodic.append import append, append_by_torch
from engram.memory.episodic.slots import NOT_WRITTEN

BATCH, CAPACITY, SLOTS, ENTRY = 3, 11, 7, 5


def made():
    """Leaves of all kinds, one of which is not in one piece, and the places of slots."""
    torch.manual_seed(0)
    shapes = {torch.uint8: (5, 2), torch.int64: (), torch.float32: (3,), torch.bool: (1,)}
    new = [torch.randint(0, 2, (BATCH, *shape)).to(dtype) for dtype, shape in shapes.items()]
    new[2] = torch.randn(3, BATCH).t()
    logs = [torch.randint(0, 2, (BATCH, CAPACITY, *leaf.shape[1:])).to(leaf.dtype) for leaf in new]
    return list(zip(logs, new, strict=True)), torch.randint(0, CAPACITY, (BATCH, SLOTS))


@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize("contiguous", [False, True])
def test_each_way_writes_the_entry_and_returns_new_places(contiguous, without, monkeypatch):
    if without:
        monkeypatch.setattr(module, "library", lambda *_: None)
    leaves, place = made()
    if contiguous:
        leaves = [(log, new.contiguous()) for log, new in leaves]
    slot, given = torch.tensor([4, NOT_WRITTEN, 0]), copy.deepcopy((leaves, place))
    after = append(leaves, ENTRY, place, slot)
    assert after[0, 4] == after[2, 0] == ENTRY
    changed = torch.zeros_like(place, dtype=torch.bool)
    changed[0, 4] = changed[2, 0] = True
    assert torch.equal(after[~changed], given[1][~changed])
    assert torch.equal(place, given[1])  # what was handed out stays as it is
    for (log, new), (before, _) in zip(leaves, given[0], strict=True):
        assert torch.equal(log[:, ENTRY], new)
        others = torch.arange(CAPACITY) != ENTRY
        assert torch.equal(log[:, others], before[:, others])


def test_both_ways_are_equal():
    (leaves, place), (others, _) = made(), made()
    leaves, others = ([(log, new.contiguous()) for log, new in pairs] for pairs in (leaves, others))
    slot = torch.tensor([NOT_WRITTEN, 6, 2])
    assert torch.equal(append(leaves, ENTRY, place, slot), append_by_torch(others, ENTRY, place, slot))
    assert all(torch.equal(log, other) for (log, _), (other, _) in zip(leaves, others, strict=True))
