"""A GPU does what the CPU does, without waits inside the loops over time: `make test-gpu`."""

import copy
import warnings

import pytest
import torch
from cores import (
    BATCH,
    SPECS,
    TIME,
    assert_equal_trees,
    build,
    carried_state,
    episode_starts,
    events,
    step_by_step,
    visible,
)

from engram.memory import tree_map
from engram.memory.state import leaves

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("own_memories")]
every_core = pytest.mark.parametrize("spec", SPECS, ids=str)
TOLERANCE = 1e-4


def moved(tree, device):
    return tree_map(lambda leaf: leaf.to(device), tree)


def learned(core, sequence, state, starts, decisions):
    """What a chunk gives, and the gradients of all parameters, with a loss that depends on outputs and state."""
    unrolled = core.unroll(sequence, state, starts, decisions)
    loss = unrolled.features.square().sum()
    for leaf in leaves(unrolled.state):
        loss = loss + (leaf.square().sum() if leaf.requires_grad else 0.0)
    loss.backward()
    gradients = tuple(torch.zeros_like(p) if p.grad is None else p.grad for p in core.parameters())
    return unrolled, gradients


@every_core
def test_it_agrees_with_the_cpu(spec, gpu):
    core = build(spec)
    there = copy.deepcopy(core).to(gpu)
    sequence, starts = events(kinds=7), episode_starts("staggered")
    state = tree_map(torch.detach, carried_state(core))
    recorded = core.unroll(sequence, state, starts).decisions
    here, gradients = learned(core, sequence, state, starts, recorded)

    on_gpu, gradients_there = learned(there, *(moved(part, gpu) for part in (sequence, state, starts, recorded)))

    assert all(leaf.device.type == gpu.type for leaf in leaves(on_gpu[:3]))
    assert_equal_trees(moved(on_gpu.features, "cpu"), here.features, TOLERANCE)
    assert_equal_trees(moved(visible(on_gpu.state), "cpu"), visible(here.state), TOLERANCE)
    assert_equal_trees(moved(on_gpu.decisions, "cpu"), here.decisions)
    assert_equal_trees(moved(tuple(on_gpu.trace.values()), "cpu"), tuple(here.trace.values()), TOLERANCE)
    assert_equal_trees(moved(gradients_there, "cpu"), gradients, TOLERANCE)


@every_core
@torch.no_grad()
def test_step_by_step_equals_the_whole_sequence(spec, gpu):
    core = build(spec)
    parts = (events(kinds=7), tree_map(torch.detach, carried_state(core)), episode_starts("staggered"))
    sequence, state, starts = (moved(part, gpu) for part in parts)
    core.to(gpu)
    whole = core.unroll(sequence, state, starts)
    for cached in (False, True):
        stepped = step_by_step(core, sequence, state, starts, cached=cached)
        assert_equal_trees(stepped.features, whole.features, TOLERANCE)
        assert_equal_trees(visible(stepped.state), visible(whole.state), TOLERANCE)
        assert_equal_trees(stepped.decisions, whole.decisions)


def waits(function):
    """How often the host waits for the GPU in a call."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            function()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in raised)


def test_waits_are_counted(gpu):
    ones = torch.ones(3, device=gpu)
    assert waits(lambda: [ones.sum().item(), ones.sum().item()]) == 2
    assert waits(lambda: ones + ones) == 0


@every_core
def test_waits_are_few_and_do_not_grow_with_the_sequence(spec, gpu):
    core = build(spec).to(gpu)
    counted = []
    for length in (TIME, 3 * TIME):
        starts = torch.zeros(length, BATCH, dtype=torch.bool)
        starts[[0, 4, 7], [1, 2, 0]] = True
        parts = moved((events(length), tree_map(torch.detach, core.initial_state(BATCH)), starts), gpu)
        decisions = core.unroll(*parts).decisions

        def chunk(parts=parts, decisions=decisions):
            core.unroll(*parts, decisions).features.square().sum().backward()

        chunk()  # the first call may make what later ones find
        counted.append(waits(chunk))
    assert counted[0] == counted[1]
    assert counted[0] <= 3  # such as: where episodes start, which slots are in use, which are written


@every_core
@torch.no_grad()
def test_acting_waits_for_nothing(spec, gpu):
    core = build(spec).to(gpu)
    step, starts = moved((events(1), torch.zeros(1, BATCH, dtype=torch.bool)), gpu)
    first = core.unroll(step, core.initial_state(BATCH), starts)
    assert waits(lambda: core.unroll(step, first.state, starts, None, first.cache)) == 0


@every_core
def test_autocast_changes_no_state_and_lets_gradients_through(spec, gpu):
    core = build(spec)
    parts = (events(), tree_map(torch.detach, carried_state(core)), episode_starts("staggered"))
    sequence, state, starts = (moved(part, gpu) for part in parts)
    core.to(gpu)
    for dtype in (torch.bfloat16, torch.float16):
        core.zero_grad()
        with torch.autocast(gpu.type, dtype):
            unrolled = core.unroll(sequence, state, starts)
            unrolled.features.float().square().sum().backward()
        assert [leaf.dtype for leaf in leaves(unrolled.state)] == [leaf.dtype for leaf in leaves(state)]
        gradients = [parameter.grad for parameter in core.parameters() if parameter.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
