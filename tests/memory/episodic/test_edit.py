"""Events of an episodic memory deleted or replaced."""

import pytest
import torch
from cores import BATCH, SIZES, Spec, assert_equal_trees, build, events

from engram.agents import MemoryPPO
from engram.memory import CoreState, tree_map
from engram.memory.episodic.edit import delete_events, happened_at, replace_events
from engram.memory.event_hash import event_hash
from engram.memory.state import leaves

SLOTS = 37
LENGTHS = (7, 2, 5)  # of the episodes; what is stored at step k of an episode stands in slot k


@pytest.fixture
def core():
    return build(Spec("gru", "episodic", SIZES["episodic"][2]))


@torch.no_grad()
def played(core, kinds=None):
    """The state after nine steps of three episodes, of which the last began at different times."""
    sequence, starts = events(9, kinds=kinds), torch.zeros(9, BATCH, dtype=torch.bool)
    for row, length in enumerate(LENGTHS):
        starts[9 - length, row] = True
    return core.unroll(sequence, core.initial_state(BATCH), starts).state, sequence


def chosen(*pairs):
    """Slots as a mask, from pairs of a row and a slot."""
    mask = torch.zeros(BATCH, SLOTS, dtype=torch.bool)
    for row, slot in pairs:
        mask[row, slot] = True
    return mask


def event_of(memory, row, slot):
    return [leaf[row, slot] for leaf in leaves(memory.events)]


def assert_only_these_changed(before, after, slots):
    for name in ("events", "birth", "event_hash", "filled"):
        for one, other in zip(leaves(getattr(before, name)), leaves(getattr(after, name)), strict=True):
            assert torch.equal(one[~slots], other[~slots])
            assert one.dtype == other.dtype
    assert torch.equal(before.step, after.step)


def test_an_event_is_known_by_its_step(core):
    memory = played(core)[0].memory
    steps = torch.tensor([[0, 6, 9], [1, -1, -1], [-1, -1, -1]])
    assert torch.equal(happened_at(memory, steps), chosen((0, 0), (0, 6), (1, 1)))
    # Steps that are empty slots' by chance, and those of an episode before, are none.
    assert not happened_at(delete_events(memory, memory.filled), steps.clamp(min=0)).any()


def test_deleting_frees_these_slots_and_no_other(core):
    memory = played(core)[0].memory
    slots = chosen((0, 2), (2, 0), (2, 4), (1, 36))  # the last is empty anyway
    after = delete_events(memory, slots)
    assert torch.equal(after.filled, memory.filled & ~slots)
    assert_only_these_changed(memory, after, slots)


@torch.no_grad()
def test_a_deleted_event_is_not_read_and_its_slot_is_taken_next(core):
    state, _ = played(core)
    slots = chosen((0, 2), (1, 0), (2, 4))
    now, none = events(1), torch.zeros(1, BATCH, dtype=torch.bool)

    def unroll(memory):
        return core.unroll(now, CoreState(state.controller, memory), none)

    after = delete_events(state.memory, slots)
    assert unroll(after).decisions.tolist() == [[2, 0, 4]]
    assert unroll(state.memory).decisions.tolist() == [[7, 2, 5]]
    other = tree_map(lambda leaf: leaf[0], events(1))
    same = unroll(delete_events(replace_events(state.memory, slots, other), slots))
    assert_equal_trees(same.features, unroll(after).features)
    assert (unroll(after).features - unroll(state.memory).features).abs().amax(2).min() > 1e-4


def test_replacing_changes_what_is_seen_and_not_when(core):
    memory = played(core)[0].memory
    other = tree_map(lambda leaf: leaf[0], events(1))
    slots = chosen((0, 1), (0, 5), (2, 3), (1, 11))
    after = replace_events(memory, slots, other)
    assert_only_these_changed(memory, after, slots)
    assert torch.equal(after.birth, memory.birth)
    assert torch.equal(after.filled, memory.filled)
    for row, slot in ((0, 1), (0, 5), (2, 3)):
        assert_equal_trees(tuple(event_of(after, row, slot)), tuple(leaf[row] for leaf in other))
    assert_equal_trees(tuple(event_of(after, 1, 11)), tuple(event_of(memory, 1, 11)))  # empty ones stay empty
    shows_it = after.event_hash == event_hash(tree_map(lambda leaf: leaf.unsqueeze(1), other))
    assert torch.equal(shows_it & after.filled, slots & memory.filled)


def test_nothing_is_changed_in_place(core):
    memory = played(core)[0].memory
    kept, every = tree_map(torch.clone, memory), memory.filled
    delete_events(memory, every)
    replace_events(memory, every, tree_map(lambda leaf: leaf[0], events(1)))
    assert_equal_trees(memory, kept)


def test_the_hash_of_a_replaced_event_is_that_of_the_new_one(core):
    memory = played(core)[0].memory
    other = tree_map(lambda leaf: leaf[0], events(1))
    after = replace_events(memory, chosen((0, 1), (0, 6), (2, 3), (1, 0)), other)
    assert torch.equal(after.event_hash[after.filled], event_hash(after.events)[after.filled])


def test_an_agent_forgets_an_event_in_the_middle_of_an_episode():
    # As one would do it: play on, take the event of step 3 out of what is carried, and play on.
    sizes = {"memory_kwargs": {"slots": 16}, "controller": "feedforward", "n_steps": 16, "batch_size": 16}
    model = MemoryPPO("MemoryPolicy", "CartPole-v1", memory="episodic", seed=0, device="cpu", **sizes)
    env, state, states = model.get_env(), None, []
    observation = env.reset()
    for _ in range(7):
        action, state = model.predict(observation, state)
        states.append(state)
        observation, *_ = env.step(action)
    memory = state.core.memory
    assert memory.birth[0, :7].tolist() == [0, 1, 2, 3, 4, 5, 6]

    without = delete_events(memory, happened_at(memory, torch.tensor([[3]])))
    state = state._replace(core=state.core._replace(memory=without))
    _, after = model.predict(observation, state)

    assert after.core.memory.birth[0, :7].tolist() == [0, 1, 2, 7, 4, 5, 6]  # the next event has its slot
    seen, none = torch.as_tensor(observation), torch.zeros(1, dtype=torch.bool)
    values = [model.policy.values_of(seen, one, none).item() for one in (state, states[-1])]
    assert abs(values[0] - values[1]) > 1e-6
