"""The bookkeeping of slots against plain loops over rows and steps."""

import pytest
import torch

from engram.memory.episodic.slots import (
    NOT_WRITTEN,
    choose_slot,
    has_newer_duplicate,
    last_writers,
    readable_mask,
    step_numbers,
)

SEEDS = range(12)
TIME, BATCH, SLOTS = 13, 5, 4


def random_rollout(seed):
    """Writes, slots filled at first, and episode starts; the writes need not make sense."""
    torch.manual_seed(seed)
    decisions = torch.randint(NOT_WRITTEN, SLOTS, (TIME, BATCH))
    filled = torch.rand(BATCH, SLOTS) < 0.6
    starts = torch.rand(TIME, BATCH) < (0.0, 0.15, 0.5)[seed % 3]
    return decisions, filled, starts


def random_slots(seed):
    """Few distinct importances, so that there are ties; distinct births, as one step stores one event."""
    torch.manual_seed(seed)
    importance = torch.randint(0, 3, (BATCH, SLOTS)).float()
    birth = torch.stack([torch.randperm(100)[:SLOTS] for _ in range(BATCH)])
    filled = torch.rand(BATCH, SLOTS) < (0.5, 0.9, 1.1)[seed % 3]
    outdated = (torch.rand(BATCH, SLOTS) < (0.0, 0.3)[seed % 2]) & filled
    candidate = torch.randint(0, 4, (BATCH,)).float()
    return importance, birth, filled, outdated, candidate


@pytest.mark.parametrize("seed", SEEDS)
def test_steps_are_numbered_from_each_episode_start(seed):
    _, _, starts = random_rollout(seed)
    first = torch.randint(0, 1_000_000, (BATCH,))
    numbers = step_numbers(first, starts)
    for row in range(BATCH):
        number = first[row].item()
        for time in range(TIME):
            number = 0 if starts[time, row] else number
            assert numbers[time, row] == number
            number += 1


@pytest.mark.parametrize("seed", SEEDS)
def test_an_event_can_be_read_from_the_step_after_its_write_until_it_is_replaced_or_its_episode_ends(seed):
    decisions, filled, starts = random_rollout(seed)
    result = readable_mask(decisions, filled, starts)
    for row in range(BATCH):
        held = [slot if filled[row, slot] else None for slot in range(SLOTS)]  # index of the candidate in each slot
        for time in range(TIME):
            if starts[time, row]:
                held = [None] * SLOTS
            expected = torch.zeros(SLOTS + TIME, dtype=torch.bool)
            expected[[candidate for candidate in held if candidate is not None]] = True
            assert torch.equal(result[time, row], expected)
            if decisions[time, row] != NOT_WRITTEN:
                held[decisions[time, row]] = SLOTS + time


@pytest.mark.parametrize("seed", SEEDS)
def test_the_last_writers_are_what_the_slots_hold_afterwards(seed):
    decisions, filled, starts = random_rollout(seed)
    writers, filled_after = last_writers(decisions, filled, starts)
    for row in range(BATCH):
        held = [NOT_WRITTEN] * SLOTS
        holds = filled[row].tolist()
        for time in range(TIME):
            if starts[time, row]:
                held, holds = [NOT_WRITTEN] * SLOTS, [False] * SLOTS
            slot = decisions[time, row].item()
            if slot != NOT_WRITTEN:
                held[slot], holds[slot] = time, True
        assert writers[row].tolist() == held
        assert filled_after[row].tolist() == holds


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slot_has_a_newer_duplicate_only_if_that_is_stored(seed):
    _, birth, filled, _, _ = random_slots(seed)
    equal = torch.rand(BATCH, SLOTS, SLOTS) < 0.4
    equal = equal | equal.transpose(1, 2)
    result = has_newer_duplicate(equal, birth, filled)
    for row in range(BATCH):
        for slot in range(SLOTS):
            newer_equals = [
                other
                for other in range(SLOTS)
                if equal[row, slot, other] and filled[row, other] and birth[row, other] > birth[row, slot]
            ]
            assert result[row, slot].item() == bool(filled[row, slot].item() and newer_equals)


@pytest.mark.parametrize("seed", range(40))
def test_a_new_event_takes_the_first_free_slot_then_the_oldest_duplicate_then_the_least_important(seed):
    importance, birth, filled, outdated, candidate = random_slots(seed)
    chosen = choose_slot(importance, birth, filled, outdated, candidate)
    for row in range(BATCH):
        free = [slot for slot in range(SLOTS) if not filled[row, slot]]
        repeated = [slot for slot in range(SLOTS) if outdated[row, slot]]
        age_order = sorted(range(SLOTS), key=lambda slot, row=row: birth[row, slot].item())
        least = min(age_order, key=lambda slot, row=row: importance[row, slot].item())  # of equals the oldest
        if free:
            expected = free[0]
        elif repeated:
            expected = next(slot for slot in age_order if slot in repeated)
        elif candidate[row] > importance[row, least]:
            expected = least
        else:
            expected = NOT_WRITTEN
        assert chosen[row] == expected


def test_an_event_that_outranks_nothing_is_not_written_and_of_equals_the_oldest_goes():
    importance = torch.tensor([[2.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 2.0, 5.0]])
    birth = torch.tensor([[0, 9, 4], [5, 3, 8], [0, 1, 2]])
    filled, outdated = torch.ones(3, 3, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.bool)
    candidate = torch.tensor([1.5, 2.0, 2.5])
    assert choose_slot(importance, birth, filled, outdated, candidate).tolist() == [2, NOT_WRITTEN, 1]
