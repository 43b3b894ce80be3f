"""Which slot a new event takes, against a plain loop that counts anew at every step."""

import pytest
import torch

from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.episodic.slots import NOT_WRITTEN

TIME, BATCH, SLOTS, KINDS = 29, 5, 4, 6


class Plain:
    """The slots of one row as a list of (importance, hash, birth), None where one is empty."""

    def __init__(self, slots):
        self.slots = slots

    def outdated(self, hashes=()):
        """Slots whose event is stored in a newer slot, or is one of those named."""
        filled = [(slot, held) for slot, held in enumerate(self.slots) if held is not None]
        return [
            slot
            for slot, (_, kind, birth) in filled
            if kind in hashes or any(other == kind and later > birth for _, (_, other, later) in filled)
        ]

    def duplicates(self):
        kinds = [held[1] for held in self.slots if held is not None]
        return [kinds.count(kind) for kind in kinds]

    def take(self, importance, kind, birth):
        oldest_first = sorted(range(len(self.slots)), key=lambda slot: self.slots[slot][2] if self.slots[slot] else -1)
        free = [slot for slot, held in enumerate(self.slots) if held is None]
        repeated = [slot for slot in oldest_first if slot in self.outdated([kind])]
        if free:
            slot = free[0]
        elif repeated:
            slot = repeated[0]
        else:
            slot = min(oldest_first, key=lambda slot: self.slots[slot][0])  # of equals the oldest
            if importance <= self.slots[slot][0]:
                return NOT_WRITTEN
        self.slots[slot] = (importance, kind, birth)
        return slot


def facts_of(rows):
    """The facts of rows of plain slots, counted afresh."""
    held = [[slot or (0.0, 0, 0) for slot in row.slots] for row in rows]
    importance, kind, birth = (torch.tensor([[slot[part] for slot in row] for row in held]) for part in range(3))
    filled = torch.tensor([[slot is not None for slot in row.slots] for row in rows])
    return SlotFacts.of(importance, kind, birth, filled)


def check(facts, rows):
    """What was kept up is what is counted anew."""
    again = facts_of(rows)
    assert torch.equal(facts.filled, again.filled)
    assert torch.equal(facts.rank, again.rank)
    assert torch.equal(facts.event_hash, again.event_hash)
    for name in ("log_gates", "birth", "duplicates"):
        assert torch.equal(getattr(facts, name)[facts.filled], getattr(again, name)[facts.filled])
    for row, plain in enumerate(rows):
        filled = facts.filled[row]
        assert filled.tolist() == [held is not None for held in plain.slots]
        assert facts.duplicates[row, filled].tolist() == plain.duplicates()
        assert sorted(facts.rank[row, filled].argsort().tolist()[: len(plain.outdated())]) == [
            filled.nonzero().flatten().tolist().index(slot) for slot in plain.outdated()
        ]


@pytest.mark.parametrize("on_cpu", [True, False], ids=["cpu", "no waiting"])
@pytest.mark.parametrize("seed", range(12))
def test_every_event_takes_the_slot_of_the_plain_loop_and_all_facts_are_kept_up(seed, on_cpu, monkeypatch):
    if not on_cpu:
        monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda tensor: False))
    torch.manual_seed(seed)
    # Few importances, so that there are ties; slots that an intervention has emptied; episodes that start.
    rows = [
        Plain(
            [
                None if torch.rand(()) < 0.3 else (float(torch.randint(3, ())), 1 + int(torch.randint(KINDS, ())), slot)
                for slot in range(SLOTS)
            ]
        )
        for _ in range(BATCH)
    ]
    facts = facts_of(rows)
    check(facts, rows)
    chosen = set()
    for time in range(SLOTS, SLOTS + TIME):
        starts = torch.rand(BATCH) < 0.05
        for row in starts.nonzero().flatten().tolist():
            rows[row] = Plain([None] * SLOTS)
        importance, kinds = torch.randint(0, 4, (BATCH,)).float(), torch.randint(1, KINDS + 1, (BATCH,))
        facts.start_episodes(starts)
        slots = facts.take(importance, kinds, torch.full((BATCH,), time)).tolist()
        events = zip(rows, importance.tolist(), kinds.tolist(), strict=True)
        assert slots == [plain.take(gate, kind, time) for plain, gate, kind in events]
        check(facts, rows)
        chosen.update(slots)
    assert chosen == {NOT_WRITTEN, *range(SLOTS)}


def test_an_event_that_outranks_nothing_is_not_written_and_of_equals_the_oldest_goes():
    importance = torch.tensor([[2.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 2.0, 5.0]])
    birth = torch.tensor([[0, 9, 4], [5, 3, 8], [0, 1, 2]])
    facts = SlotFacts.of(importance, torch.arange(9).view(3, 3), birth, torch.ones(3, 3, dtype=torch.bool))
    slots = facts.take(torch.tensor([1.5, 2.0, 2.5]), torch.tensor([10, 11, 12]), torch.tensor([10, 10, 10]))
    assert slots.tolist() == [2, NOT_WRITTEN, 1]
