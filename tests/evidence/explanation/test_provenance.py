"""Reads traced to the writes that made them, on accesses made by hand."""

from __future__ import annotations

import pytest
import torch

from engram.evidence.explanation.provenance import HeadRead, trace_reads_to_writes
from engram.memory import SlotAccess

SLOTS, HEADS, WIDTH = 3, 2, 5


def access(
    *reads: tuple[float, ...], written: tuple[float, ...] = (0.0, 0.0, 0.0), kept: object = None, width: int = 1
) -> SlotAccess:
    """One step of one row; reads of the heads, [N] each, and by default all that is not written over is kept."""
    read = torch.zeros(HEADS, SLOTS)
    for head, weights in enumerate(reads):
        read[head] = torch.tensor(weights)
    weights = torch.tensor(written)
    left = (1 - weights).unsqueeze(1).expand(SLOTS, width) if kept is None else torch.as_tensor(kept).float()
    return SlotAccess(read.unsqueeze(0), weights.unsqueeze(0), left.reshape(1, SLOTS, -1), torch.ones(1))


def sources(head: HeadRead) -> list[tuple[int, int, float]]:
    return [(source.step, source.slot, round(source.weight, 5)) for source in head.sources]


def test_a_read_comes_from_the_step_that_wrote_the_slot() -> None:
    found = trace_reads_to_writes(
        [
            access(written=(0, 1, 0)),
            access((0.0, 0.9, 0.0), written=(0, 0, 1)),
            access((0.0, 0.25, 0.5), (0.0, 1.0, 0.0)),
        ],
        reads_before_writing=True,
    )
    assert [list(map(sources, heads)) for heads in found] == [
        [[], []],
        [[(0, 1, 0.9)], []],
        [[(1, 2, 0.5), (0, 1, 0.25)], [(0, 1, 1.0)]],
    ]


@pytest.mark.parametrize("reads_before_writing", [True, False])
def test_whether_a_step_can_read_its_own_write(reads_before_writing: bool) -> None:
    step = access((1.0, 0.0, 0.0), written=(1, 0, 0))
    found = trace_reads_to_writes([step, step], reads_before_writing)
    own = [[], [(0, 0, 1.0)]] if reads_before_writing else [[(0, 0, 1.0)], [(1, 0, 1.0)]]
    assert [sources(heads[0]) for heads in found] == own


def test_what_is_written_over_is_not_read_any_more() -> None:
    found = trace_reads_to_writes([access(written=(1, 0, 0)), access(written=(1, 0, 0)), access((0.8, 0.0, 0.0))], True)
    assert sources(found[2][0]) == [(1, 0, 0.8)]


def test_what_is_erased_in_part_is_read_in_part() -> None:
    # Half of the first write is erased, and 0.5 written: what is read there comes from both alike.
    found = trace_reads_to_writes(
        [access(written=(1, 0, 0)), access(written=(0.5, 0, 0)), access((0.6, 0.0, 0.0))], True
    )
    assert sources(found[2][0]) == [(0, 0, 0.3), (1, 0, 0.3)]
    # Twice: a quarter, a quarter, and a half of the read.
    half = access(written=(0.5, 0, 0))
    found = trace_reads_to_writes([access(written=(1, 0, 0)), half, half, access((1.0, 0.0, 0.0))], True)
    assert sources(found[3][0]) == [(2, 0, 0.5), (0, 0, 0.25), (1, 0, 0.25)]


def test_parts_of_the_word_are_erased_by_themselves() -> None:
    # Two of five parts of the word are erased, and nothing is added.
    kept = torch.ones(SLOTS, WIDTH)
    kept[0, :2] = 0.0
    found = trace_reads_to_writes(
        [access(written=(1, 0, 0), width=WIDTH), access(kept=kept), access((1.0, 0.0, 0.0), width=WIDTH)], True
    )
    assert sources(found[2][0]) == [(0, 0, 0.6)]
    # The same parts again: they are gone already.
    found = trace_reads_to_writes(
        [access(written=(1, 0, 0), width=WIDTH), *[access(kept=kept)] * 4, access((1, 0, 0), kept=kept)], True
    )
    assert sources(found[5][0]) == [(0, 0, 0.6)]


def test_a_slot_that_was_added_to_is_divided() -> None:
    # Added without an erase: 0.75 and 1.25 of a word, read with weight 0.8.
    nothing_erased = torch.ones(SLOTS, 1)
    first, second = access(written=(0.5, 0, 0)), access(written=(1, 0, 0), kept=nothing_erased)
    found = trace_reads_to_writes([first, second, access((0.9, 0.0, 0.0))], True)
    assert sources(found[2][0]) == [(1, 0, 0.6), (0, 0, 0.3)]


def test_a_slot_written_faintly_is_mostly_nothing_still() -> None:
    found = trace_reads_to_writes([access(written=(0.2, 0, 0)), access((0.5, 0.4, 0.0))], True)
    assert sources(found[1][0]) == [(0, 0, 0.1)]


def test_a_write_to_several_slots_is_found_in_the_one_that_gave_most() -> None:
    found = trace_reads_to_writes([access(written=(0.6, 0.4, 0)), access((0.25, 0.75, 0.0))], True)
    assert sources(found[1][0]) == [(0, 1, 0.45)]  # 0.6 · 0.25 + 0.4 · 0.75


def test_small_parts_are_left_out_and_the_largest_come_first() -> None:
    steps = [access(written=tuple(float(slot == time) for slot in range(SLOTS))) for time in range(SLOTS)]
    steps.append(access((0.005, 0.3, 0.6), (0.2, 0.2, 0.1)))
    assert sources(trace_reads_to_writes(steps, True)[3][0]) == [(2, 2, 0.6), (1, 1, 0.3)]
    assert sources(trace_reads_to_writes(steps, True)[3][1]) == [(0, 0, 0.2), (1, 1, 0.2), (2, 2, 0.1)]
    assert sources(trace_reads_to_writes(steps, True, least=0.5)[3][0]) == [(2, 2, 0.6)]
    assert sources(trace_reads_to_writes(steps, True, most=1)[3][1]) == [(0, 0, 0.2)]


def test_what_was_read_is_never_more_than_the_heads_weights() -> None:
    torch.manual_seed(3)
    steps = [
        SlotAccess(torch.rand(1, HEADS, 7).softmax(2), torch.rand(1, 7), torch.rand(1, 7, WIDTH), torch.rand(1))
        for _ in range(11)
    ]
    for reads_before_writing in (True, False):
        for heads in trace_reads_to_writes(steps, reads_before_writing, least=0.0, most=99):
            for head in heads:
                assert 0 <= sum(source.weight for source in head.sources) <= 1 + 1e-5


def test_no_steps_have_no_reads_and_what_was_given_is_left_alone() -> None:
    assert trace_reads_to_writes([], True) == []
    steps = [access((0.5, 0.5, 0.0), written=(0.5, 0.5, 0))] * 3
    kept = [part.clone() for part in steps[0]]
    trace_reads_to_writes(steps, True)
    assert all(torch.equal(one, other) for one, other in zip(steps[0], kept, strict=True))


def test_what_was_read_from_nothing_does_not_depend_on_what_is_listed() -> None:
    steps = [access(written=(1, 0, 0)), access(written=(0, 0.5, 0)), access((0.3, 0.4, 0.0), (0.0, 0.0, 0.9))]
    for least in (0.0, 0.25):
        first, second = trace_reads_to_writes(steps, True, least=least)[2]
        # Slot 1 is half what it was at the start, slot 2 wholly.
        assert (first.nothing, second.nothing) == pytest.approx((1 - 0.3 - 0.2, 1.0))
