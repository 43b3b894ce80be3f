"""What a step read from its slots and wrote to them, and a step undone: over every memory that is registered."""

from typing import NamedTuple

import pytest
import torch
from cores import BATCH, SIZES, SPECS, Spec, assert_equal_trees, build, carried_state, events, visible

from engram.memory import Core, CoreState, SlotAccess, State, Unrolled, reset, tree_map
from engram.memory.dnc.memory import DNC
from engram.memory.episodic.edit import delete_events
from engram.memory.episodic.sparse.decisions import SparseDecisions
from engram.memory.state import leaves

WITH_SLOTS = {"episodic", "ntm", "dnc"}
HEADS = {"ntm": {"read_weights", "read"}, "dnc": {"read_weights", "read"}}
MOVES_ON = {"episodic": {"step"}, **HEADS}
"""Parts of a state that a step moves on even if nothing of it is stored: the time, and what the heads have read."""

pytestmark = pytest.mark.usefixtures("own_memories")
every_core = pytest.mark.parametrize("spec", SPECS, ids=str)
of_slots = pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.memory in WITH_SLOTS], ids=str)


class Step(NamedTuple):
    """One step of three rows, of which the middle one begins an episode."""

    seen: State
    state: CoreState
    starts: torch.Tensor
    before: State  # the memory's state after the reset
    unrolled: Unrolled
    access: SlotAccess | None


@torch.no_grad()
def step(core, rows=slice(None)):
    state = tree_map(lambda leaf: leaf[rows], carried_state(core))
    seen = tree_map(lambda leaf: leaf[:, rows], events(1))
    starts = torch.tensor([[False, True, False]])[:, rows]
    unrolled = core.unroll(seen, state, starts)
    before = reset(state.memory, core.memory.initial_state(starts.shape[1]), starts[0])
    return Step(seen, state, starts, before, unrolled, core.access(seen, state, starts, unrolled))


@every_core
def test_memories_with_slots_tell_of_them(spec):
    made = step(build(spec))
    assert (made.access is not None) == (spec.memory in WITH_SLOTS)


@of_slots
def test_weights_are_weights(spec):
    core = build(spec)
    read, written, kept, gate = step(core).access
    heads = {"episodic": "heads"}.get(spec.memory, "read_heads")
    reads = spec.memory_kwargs[heads] * spec.memory_kwargs.get("hops", 1)
    slots = spec.memory_kwargs["slots"]
    assert read.shape == (BATCH, reads, slots)
    assert written.shape == (BATCH, slots)
    assert kept.shape[:2] == (BATCH, slots)
    assert kept.shape[2] in (1, spec.memory_kwargs.get("word_size"))
    assert gate.shape == (BATCH,)
    for part in (read, written, kept, gate):
        assert part.min() >= 0
        assert part.max() <= 1 + 1e-5
    assert read.sum(2).max() <= 1 + 1e-5
    assert read.abs().max() > 0


@of_slots
def test_what_was_read_is_what_the_weights_say(spec):
    core = build(spec)
    made = step(core)
    if spec.memory == "episodic":
        heads = spec.memory_kwargs["heads"]
        nulls = 1 - made.access.read.sum(2)
        last = 7 + heads * (spec.memory_kwargs["value_size"] + 1)  # of the first read, behind 7 of the controller
        assert torch.allclose(made.unrolled.features[0, :, last - heads : last], nulls[:, :heads], atol=1e-5)
        assert torch.allclose(made.unrolled.trace["null_read"][0], nulls.mean(1), atol=1e-5)
        assert (made.access.read * ~made.before.filled.unsqueeze(1)).abs().max() == 0  # the empty are not read
        assert made.access.read[1].abs().max() == 0  # its episode has just begun
    else:
        # They write before they read.
        read = (made.access.read @ made.unrolled.state.memory.memory).flatten(1)
        assert torch.allclose(read, made.unrolled.state.memory.read, atol=1e-5)


def taken_slots(decisions):
    """The slots [T, B] that an episodic memory's events took."""
    return decisions.slot if isinstance(decisions, SparseDecisions) else decisions


@of_slots
def test_what_was_written_and_kept_is_what_became_of_the_slots(spec):
    core = build(spec, torch.float64)
    made = step(core)
    before, after, access = made.before, made.unrolled.state.memory, made.access
    if spec.memory == "episodic":
        slots = torch.arange(spec.memory_kwargs["slots"])
        taken = taken_slots(made.unrolled.decisions)[0]
        assert torch.equal(access.written, (taken.unsqueeze(1) == slots).float())
        assert torch.equal(access.kept, 1 - access.written.unsqueeze(2))
        assert access.written[1, 0] == 1  # the first event of an episode takes the first slot
        filled = len(slots)  # a copied log holds the slots' events first
        now, then = (tree_map(lambda leaf: leaf[:, :filled], visible(state).log) for state in (after, before))
        for one, other in zip(leaves(now), leaves(then), strict=True):
            untouched = access.kept[..., 0].bool()
            assert torch.equal(one[untouched], other[untouched])
        rows, slots = access.written.nonzero(as_tuple=True)
        assert torch.equal(after.birth[rows, slots], after.step[rows] - 1)
        return
    weights = after.write_weights if spec.memory == "ntm" else after.write_weights.unsqueeze(1)
    # What is not kept of before was added, and every head adds one word everywhere, by its weights.
    added, heads = after.memory - access.kept * before.memory, weights.transpose(1, 2)
    assert torch.allclose(heads @ (torch.linalg.pinv(heads) @ added), added, atol=1e-9)
    if spec.memory == "dnc":
        assert torch.allclose(access.written, after.write_weights, atol=1e-12)
    else:  # |w tanh(a)| <= W w mean|tanh(a)|: where little is written, little has changed
        most = spec.memory_kwargs["word_size"] * access.written.unsqueeze(2)
        assert (added.abs() <= most).all()
        assert ((1 - access.kept) <= most).all()
        assert (access.written <= weights.sum(1)).all()


@torch.no_grad()
def shut(core):
    """Let a memory with heads write nothing and free nothing."""
    memory, interface = core.memory, core.memory.from_hidden
    if isinstance(memory, DNC):
        first = sum(memory.groups[:2]) + memory.word_size + 1  # behind the erase and allocation gates
        closed = slice(first, first + 1 + memory.read_heads)
    else:
        closed = slice(memory.addressing, memory.addressing + memory.write_heads * memory.word_size)  # erase
        interface.weight[closed.stop :], interface.bias[closed.stop :] = 0.0, 0.0  # add
    interface.weight[closed], interface.bias[closed] = 0.0, -100.0
    return core


@pytest.mark.parametrize("memory", ["ntm", "dnc"])
def test_a_head_that_writes_nothing_says_so_and_has_nothing_to_undo(memory):
    core = shut(build(Spec("gru", memory, SIZES[memory][0])))
    made = step(core)
    assert made.access.written.max() < 1e-5
    assert made.access.kept.min() > 1 - 1e-5
    assert made.access.gate.max() < 1e-5
    after = made.unrolled.state
    assert torch.allclose(after.memory.memory, made.before.memory, atol=1e-6)
    undone = after._replace(memory=core.memory.unwritten(made.before, after.memory))
    assert_equal_trees(later(core, undone), later(core, after), 1e-5)


@of_slots
def test_rows_are_independent(spec):
    core = build(spec)
    torch.manual_seed(1)
    whole = step(core)
    for row in range(BATCH):
        torch.manual_seed(1)
        alone = step(core, slice(row, row + 1))
        assert_equal_trees(alone.access, tuple(part[row : row + 1] for part in whole.access), 2e-6)


@of_slots
def test_recorded_decisions_are_those_that_are_told_of(spec):
    core = build(spec)
    made = step(core)
    again = core.access(*made[:3], made.unrolled._replace(decisions=None))
    assert_equal_trees(again, made.access, 1e-6)  # left to itself it decides as it did
    if spec.memory == "ntm":
        return
    decisions = made.unrolled.decisions
    if spec.memory == "dnc":
        decisions = decisions.flip(-1)
    elif isinstance(decisions, SparseDecisions):
        decisions = decisions._replace(slot=-torch.ones_like(decisions.slot))
    else:
        decisions = -torch.ones_like(decisions)
    other = made.unrolled._replace(decisions=decisions)
    replayed = core.access(*made[:3], other)
    assert (replayed.written - made.access.written).abs().max() > 1e-3
    assert torch.allclose(replayed.gate, made.access.gate)
    gate = {"episodic": "gate", "dnc": "write_gate"}[spec.memory]
    assert torch.allclose(made.access.gate, made.unrolled.trace[gate][0], atol=1e-6)


# A step undone.


def later(core: Core, state: CoreState) -> torch.Tensor:
    """Features of four steps from a state on."""
    torch.manual_seed(2)
    return core.unroll(events(4, kinds=3), state, torch.zeros(4, BATCH, dtype=torch.bool)).features


@every_core
@torch.no_grad()
def test_a_step_undone_leaves_what_was_stored_before_it(spec):
    core = build(spec)
    made = step(core)
    after = made.unrolled.state.memory
    undone = core.memory.unwritten(made.before, after)
    assert type(undone) is type(after)
    for name in getattr(after, "_fields", ()):
        moved_on = name in MOVES_ON.get(spec.memory, ())
        assert_equal_trees(getattr(undone, name), getattr(after if moved_on else made.before, name))


@every_core
@torch.no_grad()
def test_nothing_of_an_undone_step_can_be_read_later(spec):
    core = build(spec)
    state, starts = carried_state(core), torch.zeros(1, BATCH, dtype=torch.bool)

    def then(undo, seen):
        memory = core.unroll(seen, state, starts).state.memory
        if undo:
            memory = core.memory.unwritten(state.memory, memory)
        if spec.memory in HEADS:  # where they went is not stored: what is there is looked at from the same places
            memory = memory._replace(**{name: getattr(state.memory, name) for name in HEADS[spec.memory]})
        return later(core, CoreState(state.controller, memory))

    one, other = events(1), events(1)
    assert_equal_trees(then(True, one), then(True, other), 1e-6)
    if spec.memory not in ("none", "counting"):
        assert (then(False, one) - then(False, other)).abs().max() > 1e-4


@torch.no_grad()
def test_undoing_an_event_is_deleting_it_where_it_took_a_free_slot():
    core = build(Spec("gru", "episodic", SIZES["episodic"][2]))
    made = step(core)
    after = made.unrolled.state
    without = delete_events(after.memory, made.access.written.bool())
    undone = core.memory.unwritten(made.before, after.memory)
    assert_equal_trees(visible(undone), visible(without))
    read = [later(core, after._replace(memory=memory)) for memory in (undone, without)]
    assert_equal_trees(*read, 1e-6)
