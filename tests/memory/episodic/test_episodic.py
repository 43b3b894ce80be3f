"""The episodic memory with weights set by hand: what is written can be read back, and nothing shuts it."""

import math

import pytest
import torch
from torch import nn

from engram.memory import tree_map
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.interface import StepSequence

SYMBOLS, HIDDEN = 5, 3


def identity(events):
    return events


def memory(slots=7, heads=1, encode=identity, **kwargs):
    """Events are one-hot symbols (or any vectors of that size) and are their own encoding."""
    kwargs = {"key_size": SYMBOLS, "value_size": SYMBOLS, "step_embedding_size": 0, **kwargs}
    return EpisodicMemory(encode, torch.zeros(1, SYMBOLS), SYMBOLS, HIDDEN, slots=slots, heads=heads, **kwargs)


@torch.no_grad()
def by_hand(sharpness=50.0, null=0.5, **kwargs):
    """One head: key, value and query of a symbol are the symbol, the null slot lies below a match; no normalization."""
    made = memory(**kwargs)
    attention, eye = made.attention, torch.eye(SYMBOLS)
    attention.normalize = nn.Identity()
    attention.from_event.weight[:SYMBOLS] = sharpness * eye
    attention.from_event.weight[SYMBOLS : 2 * SYMBOLS] = eye
    attention.from_event.weight[2 * SYMBOLS] = 0.0
    for query in attention.queries:
        query.weight.zero_()
        query.bias.zero_()
        query.weight[:, HIDDEN : HIDDEN + SYMBOLS] = eye
    # The query is the same for the null key: its weight must be that of half a match with any symbol.
    attention.null_key.fill_(sharpness * null)
    return made


def symbols(*names):
    """A sequence of one row; -1 is no symbol at all."""
    rows = [torch.zeros(SYMBOLS) if name < 0 else torch.eye(SYMBOLS)[name] for name in names]
    return torch.stack(rows).unsqueeze(1)


def steps(events, starts=None):
    length, batch = events.shape[:2]
    starts = torch.zeros(length, batch, dtype=torch.bool) if starts is None else torch.as_tensor(starts).view(-1, batch)
    return StepSequence(torch.zeros(length, batch, HIDDEN), events, events, starts)


def run(made, events, starts=None, state=None, **kwargs):
    return made(steps(events, starts), made.initial_state(events.shape[1]) if state is None else state, **kwargs)


def content(made, recall):
    """What was recalled, without the weights of the null slot behind it."""
    return recall.read[..., : made.attention.heads * made.attention.value_size]


def stored(state, row=0):
    """Symbols in the filled slots of a row, from left to right."""
    return [event.argmax().item() for event, filled in zip(state.events[row], state.filled[row], strict=True) if filled]


def test_an_event_is_written_and_read_back_by_its_content():
    made = by_hand()
    recall = run(made, symbols(0, 1, 2, 1, 3, 0))
    read, null = content(made, recall)[:, 0], recall.trace["null_read"][:, 0]
    # Read before write: the first 1 and 3 are not found, the second 1 and 0 are.
    assert torch.allclose(null, torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 0.0]), atol=1e-3)
    assert read.round().tolist() == symbols(-1, -1, -1, 1, -1, 0)[:, 0].tolist()


def test_the_null_slot_is_read_exactly_when_nothing_is_stored():
    made = memory(heads=3)
    with torch.no_grad():
        made.attention.null_value.normal_()
    events = torch.randn(6, 1, SYMBOLS)
    starts = [False, False, False, True, False, False]
    recall = run(made, events, starts)
    expected = made.attention.normalize(made.attention.null_value.flatten())
    assert recall.trace["null_read"][[0, 3], 0].tolist() == [1.0, 1.0]
    assert (recall.trace["null_read"][[1, 2, 4, 5], 0] < 1).all()
    assert torch.allclose(content(made, recall)[[0, 3], 0], expected.expand(2, -1), atol=1e-6)


def test_two_rows_keep_their_own_events():
    events = torch.cat([symbols(0, 1, 2), symbols(3, 0, 3)], dim=1)
    recall = run(by_hand(), events, [[False, False], [False, False], [False, True]])
    assert stored(recall.state, 0) == [0, 1, 2]
    assert stored(recall.state, 1) == [3]
    assert recall.state.step.tolist() == [3, 1]
    assert recall.trace["null_read"][2].tolist() == pytest.approx([1.0, 1.0], abs=1e-3)  # 3 was in the other episode


def test_the_weights_of_a_read_are_a_simplex_and_the_dead_have_none():
    made = memory(slots=3, heads=2, value_size=SYMBOLS)
    made.attention.normalize = nn.Identity()
    with torch.no_grad():  # every value is 1: then a read is the sum of its weights
        made.attention.from_event.weight[2 * SYMBOLS : 4 * SYMBOLS] = 0.0
        made.attention.from_event.bias[2 * SYMBOLS : 4 * SYMBOLS] = 1.0
        made.attention.null_value.fill_(1.0)
    recall = run(made, torch.randn(11, 2, SYMBOLS), torch.rand(11, 2) < 0.2)
    sums = content(made, recall)
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-6)
    assert recall.trace["null_read"].min() >= 0
    assert recall.trace["null_read"].max() <= 1

    exact = by_hand(slots=2, sharpness=0.0)  # nobody is preferred: the null slot and whatever can be read share equally
    read = content(exact, run(exact, symbols(0, 1, 2, 3, 4, 0), [False, False, False, False, True, False]))[:, 0]
    third = 1 / 3
    assert torch.allclose(read[2], torch.tensor([third, third, 0, 0, 0]))
    assert read[4].abs().max() == 0  # not a trace of the episode before
    assert torch.allclose(read[5], torch.tensor([0, 0, 0, 0, 0.5]))


def gated_by_symbol(slots, *gates, **kwargs):
    made = by_hand(slots=slots, **kwargs)
    with torch.no_grad():
        made.attention.from_event.weight[2 * SYMBOLS] = torch.tensor(gates)
    return made


def test_when_the_slots_are_full_the_lowest_gate_goes():
    made = gated_by_symbol(3, 1.0, -2.0, 0.5, 2.0, -1.0)
    recall = run(made, symbols(0, 1, 2, 3, 4))
    # 3 outranks 1, the lowest; 4 outranks nothing.
    assert recall.decisions[:, 0].tolist() == [0, 1, 2, 1, -1]
    assert stored(recall.state) == [0, 3, 2]
    assert recall.trace["write_rate"][:, 0].tolist() == [1, 1, 1, 1, 0]
    assert recall.trace["occupancy"][:, 0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])


def test_of_equal_gates_nothing_is_replaced():
    recall = run(by_hand(slots=2), symbols(3, 1, 2, 0))
    assert stored(recall.state) == [3, 1]


def test_near_duplicates_do_not_push_out_what_is_unique():
    made = gated_by_symbol(3, -5.0, 1.0, 1.0, 0.0, 0.0)  # the symbol 0 has the lowest gate of all
    recall = run(made, symbols(0, 1, 2, 1, 2, 2, 1, 1))
    assert sorted(stored(recall.state)) == [0, 1, 2]
    newest = recall.state.birth[0].tolist()
    assert sorted(newest) == [0, 5, 7]  # of what is alike the newest is kept


def test_a_new_event_that_was_just_replaced_can_still_be_read_at_that_step():
    made = gated_by_symbol(1, 0.0, 1.0, 2.0, 3.0, 4.0)
    recall = run(made, symbols(0, 1, 0))
    # Step 1 overwrites symbol 0 after reading; step 2 finds it gone.
    assert stored(recall.state) == [1]
    assert recall.trace["null_read"][2, 0] > 0.99


@pytest.mark.parametrize("level", [-30.0, -3.0, 0.0, 3.0, 30.0])
def test_a_gate_that_is_the_same_for_all_events_changes_nothing(level):
    made = memory(heads=2, slots=5)
    events = torch.randn(9, 2, SYMBOLS)
    with torch.no_grad():
        made.attention.from_event.weight[-1] = 0.0
        made.attention.from_event.bias[-1] = 0.0
        expected = run(made, events).read
        made.attention.from_event.bias[-1] = level
    assert torch.allclose(run(made, events).read, expected, atol=1e-5)


def test_gates_rank_what_is_read():
    made = gated_by_symbol(5, 3.0, -6.0, 0.0, 0.0, 0.0, sharpness=0.0)
    recall = run(made, symbols(0, 1, 2))
    gate, read = recall.trace["gate"][:, 0], recall.read[2, 0]
    assert gate[0] > 10 * gate[1]
    assert torch.allclose(read[0] / read[1], gate[0] / gate[1])


def test_a_read_does_not_depend_on_when_the_gradient_was_asked_for():
    made, events = memory(slots=3, heads=2), torch.randn(7, 2, SYMBOLS)
    with torch.no_grad():
        expected = run(made, events)
    assert torch.equal(run(made, events).read, expected.read)


class CountingEncoder(nn.Module):
    """Counts the events that it is asked to encode."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(SYMBOLS, SYMBOLS)
        self.encoded = 0

    def forward(self, events):
        self.encoded += len(events)
        return self.linear(events)


@pytest.mark.parametrize("chunks", [1, 40])
def test_the_gradient_reaches_an_event_however_long_ago_at_the_same_cost(chunks):
    torch.manual_seed(3)
    encoder = CountingEncoder()
    made = memory(slots=2, heads=2, encode=encoder)
    with torch.no_grad():
        # The cue outranks all that follows, so that it stays.
        encoder.linear.weight.copy_(torch.eye(SYMBOLS))
        encoder.linear.bias.zero_()
        made.attention.from_event.weight[-1] = torch.tensor([4.0, 0.0, -1.0, -2.0, -3.0])

    def chunk(events, state):
        encoded = encoder(events.flatten(0, 1)).unflatten(0, events.shape[:2])
        starts = torch.zeros(events.shape[:2], dtype=torch.bool)
        return made(StepSequence(torch.zeros(*events.shape[:2], HIDDEN), encoded, events, starts), state)

    with torch.no_grad():
        state = chunk(symbols(0, 1), made.initial_state(1)).state
        for _ in range(chunks):
            state = chunk(symbols(2, 3, 4), state).state
    assert 0 in stored(state)
    encoder.encoded = 0
    chunk(symbols(2, 3, 4), state).read[-1].square().sum().backward()
    assert encoder.encoded == 2 + 3  # the slots and the chunk's own events
    # The first column of the encoder is used by the cue alone.
    assert encoder.linear.weight.grad[:, 0].abs().max() > 1e-4
    assert made.attention.from_event.weight.grad[-1, 0].abs() > 1e-6  # and so is the gate's
    assert made.attention.age_bias.table.grad.abs().max() > 0


def test_with_a_cache_no_stored_event_is_encoded_again():
    encoder = CountingEncoder()
    made = memory(slots=3, encode=encoder)
    state, cache = made.initial_state(2), None
    for event in torch.randn(8, 1, 2, SYMBOLS):
        with torch.no_grad():
            recall = made(steps(event), state, cache=cache)
        state, cache = recall.state, recall.cache
    assert encoder.encoded == 0
    assert cache is not None


def test_where_gradients_are_wanted_no_cache_is_used():
    """A graph in it would grow with every step that is acted."""
    made = memory(slots=3)
    first = run(made, torch.randn(2, 2, SYMBOLS))
    event = torch.randn(1, 2, SYMBOLS)
    with torch.no_grad():
        cached = run(made, event, state=first.state)
        again = run(made, event, state=cached.state, cache=cached.cache)
    assert again.cache is not None
    then = run(made, event, state=cached.state, cache=cached.cache)
    assert then.read.requires_grad
    assert then.cache is None
    assert torch.allclose(then.read, again.read, atol=1e-6)


def test_wiping_empties_the_memory_and_keeps_the_count_of_steps():
    made = memory(heads=2, step_embedding_size=6)
    with torch.no_grad():
        made.attention.null_value.normal_()
    state = run(made, torch.randn(5, 2, SYMBOLS)).state
    wiped = made.wiped(state)
    assert not wiped.filled.any()
    assert torch.equal(wiped.step, state.step)
    assert state.filled.any()  # the state itself is left alone
    event = torch.randn(1, 2, SYMBOLS)
    recall = run(made, event, state=wiped)
    assert recall.trace["null_read"].tolist() == [[1.0, 1.0]]
    empty = made.initial_state(2)._replace(step=state.step)
    assert torch.equal(recall.read, run(made, event, state=empty).read)


def test_several_hops_see_what_the_one_before_returned():
    made = by_hand(hops=3)
    with torch.no_grad():
        # A later query is the read before it, moved on by one symbol: 0 leads to 1, and 1 to 2; the last read counts.
        weight = made.attention.queries[1].weight
        weight.zero_()
        weight[:, HIDDEN + SYMBOLS : HIDDEN + 2 * SYMBOLS] = torch.eye(SYMBOLS).roll(1, dims=0)
        made.attention.pool.weight[0, HIDDEN + SYMBOLS : HIDDEN + 2 * SYMBOLS] = 50.0 * torch.eye(SYMBOLS)[2]
    first, later = run(made, symbols(0, 1, 2, 0)).read[3, 0].split(SYMBOLS + 1)
    assert first[:-1].round().tolist() == torch.eye(SYMBOLS)[0].tolist()
    assert later[:-1].round().tolist() == torch.eye(SYMBOLS)[2].tolist()


def test_order_can_be_addressed():
    made = by_hand(sharpness=0.0, null=0.0, step_embedding_size=8)
    keys, queries = made.attention.key_of_step.weight, made.attention.query_of_step.weight
    sine, cosine = 0, 4  # of the step, in radians
    with torch.no_grad():
        made.attention.queries[0].weight.zero_()
        keys.zero_()
        keys[0, sine] = keys[1, cosine] = 30.0
    shown = symbols(0, 1, 2, 3, 3, 3)
    first = run(made, shown).read
    with torch.no_grad():
        # The step counted from the other end, 5 - t, by the formulas of a difference of angles.
        queries[0, sine], queries[0, cosine] = -math.cos(5), math.sin(5)
        queries[1, sine], queries[1, cosine] = math.sin(5), math.cos(5)
    second = run(made, shown).read
    assert torch.allclose(first[3, 0, :3], torch.full((3,), 0.25), atol=1e-5)
    assert [second[t, 0].argmax().item() for t in (3, 4, 5)] == [2, 1, 0]


def test_without_order_addressing_only_ages_count():
    made = memory(heads=2)
    with torch.no_grad():
        made.attention.age_bias.table.normal_()
    state = run(made, torch.randn(5, 2, SYMBOLS)).state
    million = 1_000_000
    log = state.log._replace(birth=state.log.birth + million)
    later = state._replace(log=log, step=state.step + million)
    events = torch.randn(4, 2, SYMBOLS)
    assert torch.allclose(run(made, events, state=state).read, run(made, events, state=later).read, atol=1e-6)


@pytest.mark.parametrize("embedding", [0, 6])
def test_ages_and_steps_of_a_million_are_fine(embedding):
    made = memory(heads=2, slots=2, step_embedding_size=embedding)
    state = run(made, torch.randn(5, 2, SYMBOLS)).state
    state = state._replace(step=torch.tensor([1_000_000, 2**40]))
    recall = run(made, torch.randn(4, 2, SYMBOLS), state=state)
    recall.read.square().sum().backward()
    assert recall.state.step.tolist() == [1_000_004, 2**40 + 4]
    assert torch.isfinite(recall.read).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in made.parameters())


EXTREMES = {
    "huge": 1e4 * torch.randn(9, 2, SYMBOLS, generator=torch.Generator().manual_seed(0)),
    "equal": torch.ones(9, 2, SYMBOLS),
    "zero": torch.zeros(9, 2, SYMBOLS),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("slots", [1, 20])
def test_extreme_events_give_finite_values_and_gradients(name, slots):
    made = memory(heads=2, slots=slots, hops=2, step_embedding_size=6)
    starts = torch.zeros(9, 2, dtype=torch.bool)
    starts[0] = starts[4, 1] = True
    events = EXTREMES[name].clone().requires_grad_()
    with torch.no_grad():
        state = run(made, EXTREMES[name]).state
    recall = run(made, events, starts, state)
    recall.read.square().sum().backward()
    assert torch.isfinite(recall.read).all()
    assert torch.isfinite(events.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in made.parameters())


def test_the_gate_starts_open():
    trace = run(memory(), torch.randn(9, 2, SYMBOLS) / SYMBOLS).trace
    assert trace["gate"].mean() > 0.9


def test_events_keep_their_kind():
    event = (torch.zeros(1, 2, 3, dtype=torch.uint8), torch.zeros(1, 4, dtype=torch.int64))
    made = EpisodicMemory(lambda e: e[0].flatten(1).float(), event, 6, HIDDEN, slots=4)
    state = made.initial_state(5)
    assert state.events[0].shape == (5, 4, 2, 3)
    assert [leaf.dtype for leaf in state.events] == [torch.uint8, torch.int64]
    seen = tree_map(lambda leaf: leaf.expand(1, 5, *leaf.shape[1:]), event)
    sequence = StepSequence(torch.zeros(1, 5, HIDDEN), torch.zeros(1, 5, 6), seen, torch.zeros(1, 5, dtype=torch.bool))
    assert [leaf.dtype for leaf in made(sequence, state).state.events] == [torch.uint8, torch.int64]


@pytest.mark.parametrize("name", ["slots", "heads", "key_size", "value_size", "hops"])
def test_a_size_below_one_is_refused(name):
    with pytest.raises(ValueError, match=f"^{name}=0 must be .*at least 1$"):
        memory(**{name: 0})


@pytest.mark.parametrize("size", [-2, 3])
def test_a_step_embedding_of_odd_size_is_refused(size):
    with pytest.raises(ValueError, match=f"step_embedding_size={size} must be even"):
        memory(step_embedding_size=size)
