"""What stays when slots are scarce: by the gate, or by rules that learn nothing."""

import pytest
import torch
from scipy.stats import chisquare
from torch import nn

from engram.memory.episodic.keeping import KEEP, importance
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.episodic.sparse.memory import SparseEpisodicMemory
from engram.memory.interface import StepSequence

SLOTS, TIME, ROWS, SIZE = 5, 17, 3, 4


def memory(keep, **kwargs):
    torch.manual_seed(0)
    sizes = {"slots": SLOTS, "heads": 2, "key_size": 7, "value_size": 3, **kwargs}
    return EpisodicMemory(nn.Identity(), torch.zeros(1, SIZE), SIZE, 2, keep=keep, **sizes)


def events(rows=ROWS, seed=1):
    return torch.randn(TIME, rows, SIZE, generator=torch.Generator().manual_seed(seed))


def steps(seen, starts=None):
    length, rows = seen.shape[:2]
    starts = torch.zeros(length, rows, dtype=torch.bool) if starts is None else starts
    return StepSequence(torch.zeros(length, rows, 2), seen, seen, starts)


def kept(made, seen):
    """The numbers of the steps whose events are in the slots in the end, sorted, for each row."""
    after = made(steps(seen), made.initial_state(seen.shape[1])).state
    assert after.filled.all()
    return after.birth.sort(1).values.tolist()


def test_the_newest_and_the_oldest_are_kept():
    assert kept(memory("newest"), events()) == [list(range(TIME - SLOTS, TIME))] * ROWS
    assert kept(memory("oldest"), events()) == [list(range(SLOTS))] * ROWS


def test_a_random_sample_holds_every_event_as_often():
    rows = 2000
    found = torch.tensor(kept(memory("random"), events(rows))).flatten()
    assert chisquare(found.bincount(minlength=TIME).numpy()).pvalue > 1e-3
    assert len(set(map(tuple, found.view(rows, SLOTS).tolist()))) > 1000


def test_the_gate_keeps_what_it_ranks_highest():
    made, seen = memory("gate"), events()
    with torch.no_grad():
        gates = made.attention.from_event(seen)[..., -1]
    expected = gates.topk(SLOTS, dim=0).indices.sort(0).values
    assert kept(made, seen) == expected.t().tolist()


@pytest.mark.parametrize("keep", KEEP)
def test_of_equals_the_newer_stays_whatever_the_rule(keep):
    seen = events()[:1].repeat(TIME, 1, 1)
    after = memory(keep)(steps(seen), memory(keep).initial_state(ROWS)).state
    assert TIME - 1 in after.birth[0].tolist()


@pytest.mark.parametrize("keep", KEEP)
def test_step_by_step_it_decides_what_it_decides_along_a_sequence(keep):
    made, seen = memory(keep), events()
    starts = torch.rand(TIME, ROWS, generator=torch.Generator().manual_seed(2)) < 0.1
    along = made(steps(seen, starts), made.initial_state(ROWS))
    state, cache, taken, reads = made.initial_state(ROWS), None, [], []
    with torch.no_grad():
        for time in range(TIME):
            one = made(steps(seen[time : time + 1], starts[time : time + 1]), state, cache=cache)
            state, cache = one.state, one.cache
            taken.append(one.decisions)
            reads.append(one.read)
    assert torch.equal(torch.cat(taken), along.decisions)
    assert torch.allclose(torch.cat(reads), along.read, atol=1e-5)
    assert torch.equal(state.birth.sort(1).values, along.state.birth.sort(1).values)


def test_a_random_rank_depends_on_the_event_and_the_step():
    hashes, births = torch.randint(2**62, (1000,)), torch.arange(1000)
    ranks = importance("random", torch.zeros(1000), hashes, births)
    assert len(ranks.unique()) > 990
    assert (ranks >= 0).all()
    assert not torch.equal(ranks, importance("random", torch.zeros(1000), hashes, births + 1))
    assert not torch.equal(ranks, importance("random", torch.zeros(1000), hashes + 1, births))


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match=r"^keep='best' must be one of gate, newest, oldest, random$"):
        memory("best")
    with pytest.raises(ValueError, match=r"^keep=newest with read=sparse: sparse reads keep by the gate$"):
        SparseEpisodicMemory(nn.Identity(), torch.zeros(1, SIZE), SIZE, 2, read="sparse", keep="newest")
