"""The laws of DESIGN over every controller and memory that is registered, and over two memories of a user's own."""

import pytest
import torch
from cores import (
    BATCH,
    SPECS,
    STARTS,
    TIME,
    Spec,
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

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}

pytestmark = pytest.mark.usefixtures("own_memories")
every_core = pytest.mark.parametrize("spec", SPECS, ids=str)


def signature(state):
    """Structure, shapes and dtypes of a tree."""
    if isinstance(state, torch.Tensor):
        return state.shape, state.dtype
    return type(state), [signature(branch) for branch in state]


def garbage(state, rows, number=torch.nan):
    """What must not matter in rows where an episode starts: a number in all floats, and integers of another episode."""

    def spoil(leaf):
        if leaf.is_floating_point():
            junk = torch.full_like(leaf, number)
        elif leaf.dtype == torch.bool:
            junk = torch.rand(leaf.shape) < 0.7
        else:
            junk = torch.randint(0, max(1, leaf.max().item() + 1), leaf.shape).to(leaf.dtype)
        return torch.where(rows.reshape(-1, *[1] * (leaf.dim() - 1)), junk, leaf)

    return tree_map(spoil, state)


def row_of(tree, row):
    """Row `row` of a tree whose leaves are [T, B, ...]."""
    return tree_map(lambda leaf: leaf[:, row : row + 1], tree)


@every_core
@pytest.mark.parametrize("batch", [1, 3])
def test_structure_shapes_and_dtypes_never_change(spec, batch):
    core = build(spec)
    before = core.initial_state(batch)
    assert all(isinstance(leaf, torch.Tensor) and leaf.shape[0] == batch for leaf in leaves(before))
    for length in (1, 5):
        starts = torch.zeros(length, batch, dtype=torch.bool)
        unrolled = core.unroll(events(length, batch), before, starts)
        assert signature(unrolled.state) == signature(before)
        assert unrolled.features.shape == (length, batch, core.feature_size)
        assert all(leaf.shape[:2] == (length, batch) for leaf in leaves(unrolled.decisions))
        assert all(value.shape == (length, batch) for value in unrolled.trace.values())


@every_core
def test_modules_hold_no_state_and_inputs_are_left_alone(spec):
    core = build(spec)
    sequence, state, starts = events(), carried_state(core), episode_starts("staggered")
    kept = tree_map(torch.clone, (sequence, state, starts))
    weights = tree_map(torch.clone, tuple(core.state_dict().values()))

    first = core.unroll(sequence, state, starts)
    core.unroll(events(), core.initial_state(BATCH), ~starts)  # other data in between
    second = core.unroll(sequence, state, starts)

    assert_equal_trees(second[:3], first[:3])
    assert_equal_trees((sequence, state, starts), kept)
    assert_equal_trees(tuple(core.state_dict().values()), weights)


@every_core
def test_an_episode_start_equals_a_fresh_start(spec):
    core = build(spec)
    sequence, starts = events(), episode_starts("none")
    starts[0] = True
    reset_here = core.unroll(sequence, carried_state(core), starts)
    fresh = core.unroll(sequence, core.initial_state(BATCH), torch.zeros_like(starts))
    assert_equal_trees(reset_here.features, fresh.features, 1e-6)
    assert_equal_trees(visible(reset_here.state), visible(fresh.state), 1e-6)


@every_core
def test_what_follows_an_episode_start_knows_nothing_of_what_was_before(spec):
    core = build(spec, torch.float64)  # a norm of what an empty memory reads would let roundings of fp32 grow
    sequence, starts = events(kinds=5), episode_starts("staggered")
    whole = core.unroll(sequence, carried_state(core), starts)
    for time, row in STARTS["staggered"]:
        tail = tree_map(lambda leaf, time=time: leaf[time:], row_of((sequence, starts), row))
        alone = core.unroll(tail[0], core.initial_state(1), tail[1])
        assert_equal_trees(whole.features[time:, row], alone.features[:, 0], 1e-12)


@every_core
@pytest.mark.parametrize(("start", "number"), [(0, torch.nan), (4, 1e3)])
def test_garbage_from_before_an_episode_start_does_not_leak(spec, start, number):
    core = build(spec)
    sequence, starts = events(), torch.zeros(TIME, BATCH, dtype=torch.bool)
    starts[start, :2] = True
    rows = torch.tensor([True, True, False])
    state = carried_state(core)
    clean = core.unroll(sequence, state, starts)
    spoilt = core.unroll(sequence, garbage(state, rows, number), starts)
    assert_equal_trees(spoilt.features[start:, :2], clean.features[start:, :2], 2e-6)
    assert_equal_trees(spoilt.features[:, 2], clean.features[:, 2], 2e-6)
    last = [tree_map(lambda leaf: leaf[rows], visible(unrolled.state)) for unrolled in (spoilt, clean)]
    assert_equal_trees(*last, 2e-6)


@every_core
@pytest.mark.parametrize("cached", [True, False])
@torch.no_grad()
def test_a_nan_that_was_observed_ends_with_its_episode(spec, cached):
    core = build(spec)
    sequence, starts = events(), episode_starts("none")
    starts[4] = True
    clean = step_by_step(core, sequence, carried_state(core), starts, cached=cached)
    sequence.vector[1:4] = torch.nan
    spoilt = step_by_step(core, sequence, carried_state(core), starts, cached=cached)
    assert spoilt.features[3].isnan().any()
    assert_equal_trees(spoilt.features[4:], clean.features[4:], 2e-6)


@every_core
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "fp64"])
@pytest.mark.parametrize("pattern", STARTS)
def test_step_by_step_equals_the_whole_sequence(spec, dtype, pattern):
    core = build(spec, dtype)
    sequence, starts = events(kinds=7), episode_starts(pattern)
    mixing = torch.randn(TIME, BATCH, core.feature_size, dtype=dtype)

    def outcome(unroll):
        core.zero_grad()
        carried = carried_state(core)  # in the graph: the gradient crosses the border
        unrolled = unroll(carried)
        loss = (unrolled.features * mixing).sum()
        for leaf in leaves(unrolled.state):
            loss = loss + (leaf.square().sum() if leaf.requires_grad else 0.0)
        loss.backward()
        gradients = tuple(torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in core.parameters())
        return unrolled, gradients

    whole, whole_gradients = outcome(lambda carried: core.unroll(sequence, carried, starts))
    stepped, stepped_gradients = outcome(lambda carried: step_by_step(core, sequence, carried, starts))
    replayed, replayed_gradients = outcome(lambda carried: core.unroll(sequence, carried, starts, whole.decisions))

    for other in (stepped, replayed):
        assert_equal_trees(other.features, whole.features, TOLERANCE[dtype])
        assert_equal_trees(visible(other.state), visible(whole.state), TOLERANCE[dtype])
        assert_equal_trees(other.decisions, whole.decisions)  # the discrete choices are the same
        assert_equal_trees(tuple(other.trace.values()), tuple(whole.trace.values()), TOLERANCE[dtype])
    assert_equal_trees(stepped_gradients, whole_gradients, TOLERANCE[dtype])
    assert_equal_trees(replayed_gradients, whole_gradients, TOLERANCE[dtype])
    assert any(gradient.abs().max() > 0 for gradient in whole_gradients)


@every_core
@pytest.mark.parametrize("pattern", STARTS)
@torch.no_grad()
def test_the_cache_changes_nothing(spec, pattern):
    core = build(spec)
    sequence, starts, state = events(kinds=7), episode_starts(pattern), carried_state(core)
    whole = core.unroll(sequence, state, starts)
    cached = step_by_step(core, sequence, state, starts, cached=True)
    assert_equal_trees(cached.features, whole.features, 1e-5)
    assert_equal_trees(visible(cached.state), visible(whole.state), 1e-5)
    assert_equal_trees(cached.decisions, whole.decisions)
    assert_equal_trees(tuple(cached.trace.values()), tuple(whole.trace.values()), 1e-5)


@every_core
@torch.no_grad()
def test_a_sequence_may_be_cut_anywhere(spec):
    core = build(spec)
    sequence, starts, state = events(kinds=7), episode_starts("staggered"), carried_state(core)
    whole = core.unroll(sequence, state, starts)
    features, decisions, cache = [], [], None
    for border in (slice(0, 4), slice(4, 5), slice(5, 11)):  # an episode starts at both inner borders
        part = core.unroll(tree_map(lambda leaf, b=border: leaf[b], sequence), state, starts[border], None, cache)
        state, cache = part.state, part.cache
        features.append(part.features)
        decisions.append(part.decisions)
    assert_equal_trees(torch.cat(features), whole.features, 1e-5)
    assert_equal_trees(tree_map(lambda *parts: torch.cat(parts), *decisions), whole.decisions)
    assert_equal_trees(visible(state), visible(whole.state), 1e-5)


@every_core
@torch.no_grad()
def test_recorded_decisions_are_kept_when_the_weights_have_changed(spec):
    core = build(spec, torch.float64)  # weights as large as these would let roundings of fp32 grow
    sequence, starts, state = events(), episode_starts("staggered"), carried_state(core)
    recorded = core.unroll(sequence, state, starts).decisions
    for parameter in core.parameters():
        parameter.add_(torch.randn_like(parameter))
    whole = core.unroll(sequence, state, starts, recorded)
    stepped = step_by_step(core, sequence, state, starts, recorded)
    assert_equal_trees(whole.decisions, recorded)
    assert_equal_trees(stepped.decisions, recorded)
    assert_equal_trees(stepped.features, whole.features, 1e-5)
    assert_equal_trees(visible(stepped.state), visible(whole.state), 1e-5)


@every_core
@torch.no_grad()
def test_rows_are_independent(spec):
    core = build(spec)
    sequence, starts, state = events(), episode_starts("staggered"), carried_state(core)
    whole = core.unroll(sequence, state, starts)

    order = torch.tensor([2, 0, 1])
    permuted = core.unroll(
        tree_map(lambda leaf: leaf[:, order], sequence), tree_map(lambda leaf: leaf[order], state), starts[:, order]
    )
    assert_equal_trees(permuted.features, whole.features[:, order], 1e-6)
    assert_equal_trees(permuted.decisions, tree_map(lambda leaf: leaf[:, order], whole.decisions))
    assert_equal_trees(visible(permuted.state), tree_map(lambda leaf: leaf[order], visible(whole.state)), 1e-6)

    for row in range(BATCH):
        alone = core.unroll(
            row_of(sequence, row), tree_map(lambda leaf, r=row: leaf[r : r + 1], state), starts[:, row : row + 1]
        )
        assert_equal_trees(alone.features[:, 0], whole.features[:, row], 2e-6)
        others = torch.arange(BATCH) != row
        other_events = tree_map(
            lambda mine, other, row=row: torch.where(
                (torch.arange(BATCH) == row).reshape(1, -1, *[1] * (mine.dim() - 2)), mine, other
            ),
            sequence,
            events(),
        )
        spoilt = core.unroll(other_events, garbage(state, others), torch.where(others, ~starts, starts))
        assert_equal_trees(spoilt.features[:, row], whole.features[:, row], 2e-6)


@every_core
def test_nothing_comes_from_the_future_nor_from_another_episode_or_row(spec):
    core = build(spec)
    sequence, starts = events(), episode_starts("staggered")
    sequence.vector.requires_grad_()
    features = core.unroll(sequence, carried_state(core), starts).features
    row, time = 2, 6  # in an episode that starts at step 4
    (influence,) = torch.autograd.grad(features[time, row].sum(), sequence.vector)
    felt = influence.abs().sum(2) > 0
    assert felt[time, row]
    allowed = torch.zeros_like(felt)
    allowed[4 : time + 1, row] = True
    assert not (felt & ~allowed).any()


@every_core
def test_autocast_changes_no_state_and_lets_gradients_through(spec):
    core = build(spec)
    sequence, starts, state = events(), episode_starts("staggered"), tree_map(torch.detach, carried_state(core))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        unrolled = core.unroll(sequence, state, starts)
        unrolled.features.float().square().sum().backward()  # where a user may well call it
    assert signature(unrolled.state) == signature(state)
    gradients = [parameter.grad for parameter in core.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@every_core
def test_a_state_keeps_no_more_in_memory_than_itself(spec):
    core = build(spec)
    for leaf in leaves(core.unroll(events(), core.initial_state(BATCH), episode_starts("staggered")).state):
        assert leaf.untyped_storage().nbytes() <= leaf.numel() * leaf.element_size()


def test_a_reset_reads_as_counting_from_one_again():
    core = build(Spec("gru", "counting", {}))
    starts = episode_starts("staggered")
    read = core.unroll(events(), core.initial_state(BATCH), starts).trace["count"].t().int().tolist()
    assert read[0] == [1, 1, 2, 3, 1, 2, 3, 4, 5, 6, 7]
    assert read[1] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 1, 2]
    assert read[2] == [1, 2, 3, 1, 1, 2, 3, 4, 1, 2, 1]


@pytest.mark.parametrize("feedback", [True, False])
def test_a_learned_initial_state_gets_its_gradient_from_a_chunk_that_starts_with_an_episode(feedback):
    core = build(Spec("lstm", "registers", {"feedback": feedback}))
    state = tree_map(torch.detach, carried_state(core))  # as stored: before the reset, without a graph
    starts = torch.zeros(TIME, BATCH, dtype=torch.bool)
    core.unroll(events(), state, starts).features.sum().backward()
    assert core.memory.start.grad is None or core.memory.start.grad.abs().max() == 0
    starts[0, 1] = True
    core.unroll(events(), state, starts).features.sum().backward()
    assert core.memory.start.grad.abs().max() > 1e-3


def test_the_read_fed_back_reaches_the_controller():
    core = build(Spec("feedforward", "counting", {}))
    sequence = tree_map(lambda leaf: leaf[:1].expand(TIME, *leaf.shape[1:]), events())
    features = core.unroll(sequence, core.initial_state(BATCH), episode_starts("none")).features
    hidden = features[:, 0, :7]  # of a memoryless controller that sees the same event at every step
    assert (hidden[1:] - hidden[:-1]).abs().max() > 1e-3
