"""No loop over time reads a number from the device: on a GPU the host would wait for it at every step.

It is counted on a CPU, but along the path that a GPU takes: without the steps in C.
"""

import pytest
import torch
from cores import BATCH, SPECS, TIME, build, events
from host_waits import counted_reads

from engram.memory import tree_map

pytestmark = pytest.mark.usefixtures("own_memories")


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    for module in (
        "feedback.native_step",
        "controllers.lstm.native",
        "controllers.gru.native",
        "native.product",
        "fast_weight.native",
        "transformer.native",
    ):
        monkeypatch.setattr(f"engram.memory.{module}.library", lambda *args, **sizes: None)


def test_reads_are_counted():
    ones = torch.ones(3)
    with counted_reads() as reads:
        if ones[ones > 0].sum() > 1:
            (ones + ones).sum().item()
        ones[ones > 0] = 2 * ones
        ones.unique()
        ones.repeat_interleave(ones.long())
        ones.tolist(), ones.numpy(), ones.cpu()
    counts = {"index": 1, "_local_scalar_dense": 2, "index_put_": 1, "_unique2": 1, "repeat_interleave": 1}
    assert +reads == {**counts, "tolist": 1, "numpy": 1, "cpu": 1}


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_they_do_not_grow_with_the_sequence(spec):
    core = build(spec)
    counted = []
    for length in (TIME, 3 * TIME):
        starts = torch.zeros(length, BATCH, dtype=torch.bool)
        starts[[0, 4, 7], [1, 2, 0]] = True
        sequence, state = events(length), tree_map(torch.detach, core.initial_state(BATCH))
        decisions = core.unroll(sequence, state, starts).decisions
        with counted_reads() as reads:
            core.unroll(sequence, state, starts, decisions).features.square().sum().backward()
        counted.append(+reads)
    assert counted[0] == counted[1]
