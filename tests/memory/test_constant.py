"""A law of every core: to declare what is constant over an episode changes what is stored, and nothing else."""

import pytest
import torch
from cores import BATCH, SPECS, STARTS, TIME, assert_equal_trees, build, episode_starts, events, step_by_step

from engram.memory.episodic.edit import replace_events
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.state import tree_map

pytestmark = pytest.mark.usefixtures("own_memories")

MISSION = (True, False, False)  # the grid of an event


def with_missions(sequence, starts):
    """The same events, with the grid of each episode's first step at all of its steps."""
    grid = sequence.grid.clone()
    for time in range(1, len(grid)):
        grid[time] = torch.where(starts[time].view(-1, 1, 1), grid[time], grid[time - 1])
    return sequence._replace(grid=grid)


@torch.no_grad()
def played(spec, constant, starts, run):
    torch.manual_seed(5)
    core = build(spec)
    core.memory.constant = constant
    before = torch.zeros(2 * TIME, BATCH, dtype=torch.bool)
    before[TIME:] = episode_starts(starts)
    sequence = with_missions(events(2 * TIME, kinds=4), before)
    carried = core.unroll(tree_map(lambda leaf: leaf[:TIME], sequence), core.initial_state(BATCH), before[:TIME])
    return run(core, tree_map(lambda leaf: leaf[TIME:], sequence), carried.state, before[TIME:])


def unrolled(core, sequence, state, starts):
    return core.unroll(sequence, state, starts)


def acted(core, sequence, state, starts):
    return step_by_step(core, sequence, state, starts, cached=True)


@pytest.mark.parametrize("run", [unrolled, acted])
@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_declared_or_not_it_is_the_same(spec, starts, run):
    declared, other = (played(spec, constant, starts, run) for constant in (MISSION, None))
    assert torch.equal(declared.features, other.features)
    assert_equal_trees(declared.decisions, other.decisions)
    memory, full = declared.state.memory, other.state.memory
    if not isinstance(memory, EpisodicState):
        assert_equal_trees(memory, full)
        return
    filled = full.filled
    assert torch.equal(memory.filled, filled)
    assert_equal_trees(*(tree_map(lambda leaf: leaf[filled], state.events) for state in (memory, full)))
    assert memory.log.events.grid.shape == (BATCH, 1, 2, 3)
    slots = filled & (torch.arange(filled.shape[1]) % 2 == 0)
    replaced = replace_events(memory, slots, tree_map(lambda leaf: leaf[0], events(1)))
    assert torch.equal(replaced.events.grid[filled], full.events.grid[filled])
    assert not torch.equal(replaced.events.vector[slots], full.events.vector[slots])
