"""Hand-made trajectories of writes and reads, counted exactly."""

import math

import pytest
import torch

from engram.agents.evaluation.slot_statistics import SlotStatistics
from engram.memory import SlotAccess

SLOTS = 3


def access(*rows, gate=0.5):
    """One step of several rows, each (slot written or None, {slot: weight read})."""
    read, written = torch.zeros(len(rows), 2, SLOTS), torch.zeros(len(rows), SLOTS)
    for row, (slot, weights) in enumerate(rows):
        if slot is not None:
            written[row, slot] = 1.0
        for where, weight in weights.items():
            read[row, :, where] = weight
    return SlotAccess(read, written, 1 - written.unsqueeze(2), torch.full((len(rows),), gate))


def follow(steps, starts=None, **kwargs):
    statistics = SlotStatistics(len(steps[0]), kwargs.pop("reads_before_writing", True), **kwargs)
    for number, rows in enumerate(steps):
        starting = [number == 0] * len(rows) if starts is None else starts[number]
        statistics.step(access(*rows), torch.tensor(starting))
    return statistics.finish()


def test_every_count_of_one_episode():
    counts = follow(
        [
            [(0, {})],  # step 0 writes slot 0
            [(1, {0: 1.0})],  # reads it, one step old
            [(0, {1: 0.5})],  # overwrites slot 0, which was read; slot 1 is one step old
            [(1, {})],  # overwrites slot 1, which was read
            [(1, {0: 0.25})],  # overwrites slot 1, which nobody read; slot 0 is two steps old
            [(None, {})],
        ]
    )
    assert (counts.steps, counts.writes) == (6, 5)
    assert counts.reads == 12  # two heads
    assert counts.filled == pytest.approx((1 + 2 + 2 + 2 + 2 + 2) / SLOTS)
    assert counts.read_weight == pytest.approx(2 * (1 + 0.5 + 0.25))
    assert counts.age == pytest.approx(2 * (1 * 1.0 + 1 * 0.5 + 2 * 0.25))
    assert counts.nothing == pytest.approx(2 * (1 + 0 + 0.5 + 1 + 0.75 + 1))
    entropies = [math.log(2), 0.25 * math.log(4) + 0.75 * math.log(4 / 3)]
    assert counts.entropy == pytest.approx(2 * sum(entropies), abs=1e-6)
    assert (counts.overwritten, counts.overwritten_unread) == (3, 1)
    # Slots 0 (read) and 1 (not read) are left at the end.
    assert (counts.stored, counts.never_read) == (5, 2)


def test_an_episode_that_starts_ends_the_one_before():
    counts = follow(
        [[(0, {}), (0, {})], [(1, {0: 1.0}), (1, {})], [(0, {0: 1.0}), (0, {})]],
        starts=[[True, True], [False, False], [False, True]],
    )
    # Row 0: slot 0 is read and overwritten, slot 1 and the new slot 0 are never read. Row 1: four writes, none read.
    assert (counts.stored, counts.never_read) == (6, 5 - 0)
    assert (counts.overwritten, counts.overwritten_unread) == (1, 0)


def test_what_an_ended_episode_left_is_not_read():
    counts = follow([[(0, {})], [(None, {0: 1.0})]], starts=[[True], [True]])
    assert counts.read_weight == 0
    assert counts.nothing == 4


@pytest.mark.parametrize(("reads_before_writing", "age"), [(True, 1.0), (False, 0.0)])
def test_the_order_within_a_step(reads_before_writing, age):
    counts = follow([[(0, {})], [(0, {0: 1.0})]], reads_before_writing=reads_before_writing)
    assert counts.age / 2 == age
    # Read and then overwritten, or overwritten unread and then read.
    assert counts.overwritten_unread == (0 if reads_before_writing else 1)
    assert counts.never_read == 1


def test_faint_reads_and_writes_do_not_count():
    statistics = SlotStatistics(1, True, written=0.2, read=0.1)
    faint = SlotAccess(torch.zeros(1, 2, SLOTS), torch.full((1, SLOTS), 0.19), torch.ones(1, SLOTS, 1), torch.ones(1))
    statistics.step(faint, torch.tensor([True]))
    assert statistics.counts.writes == 0
    statistics.step(access((0, {})), torch.tensor([False]))
    statistics.step(access((None, {0: 0.09})), torch.tensor([False]))
    assert statistics.finish().never_read == 1
