"""The bookkeeping of slots against plain loops over rows and steps."""

import pytest
import torch

from engram.memory.episodic.slots import NOT_WRITTEN, last_writers, readable_mask, step_numbers

SEEDS = range(12)
TIME, BATCH, SLOTS = 13, 5, 4


def random_rollout(seed):
    """Writes, slots filled at first, and episode starts; the writes need not make sense."""
    torch.manual_seed(seed)
    decisions = torch.randint(NOT_WRITTEN, SLOTS, (TIME, BATCH))
    filled = torch.rand(BATCH, SLOTS) < 0.6
    starts = torch.rand(TIME, BATCH) < (0.0, 0.15, 0.5)[seed % 3]
    return decisions, filled, starts


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
