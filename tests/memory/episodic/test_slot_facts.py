"""Which slot a new event takes, against a plain loop that counts anew at every step."""

import os
import shutil

import pytest
import torch

from engram.memory.episodic import slot_facts
from engram.memory.episodic.slot_facts import SlotFacts, put
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.positions import AgeBias

IN_C = shutil.which("cc") is not None and os.environ.get("ENGRAM_NATIVE") != "0"
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


@pytest.fixture
def _on(request, monkeypatch):
    """By C code if there is a compiler, by torch, or by torch as on a GPU, for which nobody waits."""
    if request.param == "torch":
        monkeypatch.setattr(slot_facts, "library", lambda *_: None)
    elif request.param == "no waiting":
        monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda tensor: False))


everywhere = pytest.mark.parametrize("_on", ["as it is", "torch", "no waiting"], indirect=True)


@everywhere
@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize("seed", range(12))
def test_every_event_takes_the_slot_of_the_plain_loop_and_all_facts_are_kept_up(seed):
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


@everywhere
@pytest.mark.usefixtures("_on")
def test_an_event_that_outranks_nothing_is_not_written_and_of_equals_the_oldest_goes():
    importance = torch.tensor([[2.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 2.0, 5.0]])
    birth = torch.tensor([[0, 9, 4], [5, 3, 8], [0, 1, 2]])
    facts = SlotFacts.of(importance, torch.arange(9).view(3, 3), birth, torch.ones(3, 3, dtype=torch.bool))
    slots = facts.take(torch.tensor([1.5, 2.0, 2.5]), torch.tensor([10, 11, 12]), torch.tensor([10, 10, 10]))
    assert slots.tolist() == [2, NOT_WRITTEN, 1]


@everywhere
@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gates_are_compared_and_kept_as_they_are(dtype):
    gates = torch.tensor([[-torch.inf, -0.1, -1e-30, -40.0]], dtype=dtype)
    birth, filled = torch.arange(4).unsqueeze(0), torch.ones(1, 4, dtype=torch.bool)
    facts = SlotFacts.of(gates, torch.arange(1, 5).unsqueeze(0), birth, filled)
    taken = []
    for time, gate in enumerate([-50.0, -45.0, -0.2, -0.05, -0.04, -1.0]):
        new = torch.tensor([gate], dtype=dtype), torch.tensor([10 + time]), torch.tensor([4 + time])
        taken.append(int(facts.take(*new)))
    assert taken == [0, 0, 0, 3, 0, NOT_WRITTEN]
    assert torch.equal(facts.log_gates, torch.tensor([[-0.04, -0.1, -1e-30, -0.05]], dtype=dtype))
    assert facts.duplicates.tolist() == [[1.0] * 4]


@everywhere
@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
@pytest.mark.parametrize("slots", [[2, 0, 6], [2, NOT_WRITTEN, 6]])
def test_rows_are_put_into_their_slots(slots, shape, dtype):
    table = torch.zeros(3, 7, *shape, dtype=dtype)
    rows = torch.arange(1, 1 + 3 * table[0, 0].numel()).view(*shape, 3).movedim(-1, 0).to(dtype)  # not contiguous
    expected = table.clone()
    for row, slot in enumerate(slots):
        if slot != NOT_WRITTEN:
            expected[row, slot] = rows[row]
    put(torch.tensor(slots), table, rows)
    assert torch.equal(table, expected)


@everywhere
@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize("exact", [1, 5, 64])
def test_what_can_be_read_is_known_with_its_age_and_number(exact):
    kinds = torch.tensor([[3, 4, 3, 3, 9], [7, 7, 8, 9, 9]])
    birth = torch.tensor([[0, 1, 55, 56, 57], [10**6, 10**6 + 1, 70, 900, 4]])
    filled = torch.tensor([[True, True, False, True, True], [True, True, True, True, False]])
    facts, age_bias = SlotFacts.of(torch.zeros(2, 5), kinds, birth, filled), AgeBias(2, exact)
    step = torch.tensor([58, 10**6 + 2])
    reach = facts.reach(step, age_bias)
    assert torch.equal(reach.alive[:, 0], filled)
    assert torch.equal(reach.age[:, 0], age_bias.bucket(step.unsqueeze(1) - birth).to(torch.uint8))
    assert reach.age.shape == reach.log_duplicates.shape == (2, 1, 5)
    numbers = torch.tensor([[2.0, 1.0, 1.0, 2.0, 1.0], [2.0, 2.0, 1.0, 1.0, 1.0]])
    assert torch.allclose(reach.log_duplicates[:, 0][filled], numbers.log()[filled])


@pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
def test_on_a_cpu_with_a_compiler_it_is_in_c(monkeypatch):
    facts = facts_of([Plain([None] * SLOTS)])
    monkeypatch.setattr(slot_facts.SlotFacts, "take_by_torch", None)
    facts.take(torch.zeros(1), torch.ones(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
