"""No loop over time asks the device for a number: on a GPU the host would wait for the answer at every step."""

from collections import Counter

import pytest
import torch
from cores import BATCH, SPECS, TIME, build, events
from own_memories import OWN_MEMORIES
from torch.utils._python_dispatch import TorchDispatchMode

from memory import MEMORIES, tree_map

QUESTIONS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique"}


@pytest.fixture(autouse=True)
def _register(monkeypatch):
    for name, memory in OWN_MEMORIES.items():
        monkeypatch.setitem(MEMORIES, name, memory)


class Asked(TorchDispatchMode):
    """Counts the operations whose result the host has to know."""

    def __init__(self):
        super().__init__()
        self.counted = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name in QUESTIONS or (name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])):
            self.counted[name] += 1
        return operation(*args, **(kwargs or {}))


def test_questions_are_counted():
    ones = torch.ones(3)
    with Asked() as asked:
        if ones[ones > 0].sum() > 1:
            (ones + ones).sum().item()
    assert asked.counted == {"index": 1, "_local_scalar_dense": 2}


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_they_do_not_grow_with_the_sequence(spec):
    core = build(spec)
    counted = []
    for length in (TIME, 3 * TIME):
        starts = torch.zeros(length, BATCH, dtype=torch.bool)
        starts[[0, 4, 7], [1, 2, 0]] = True
        sequence, state = events(length), tree_map(torch.detach, core.initial_state(BATCH))
        writes = core.unroll(sequence, state, starts).writes
        with Asked() as asked:
            core.unroll(sequence, state, starts, writes).features.square().sum().backward()
        counted.append(asked.counted)
    assert counted[0] == counted[1]
