"""Sparse reads: where k covers all slots they are dense ones, elsewhere nearly so; nothing else differs."""

import pytest
import torch
from cores import ENCODED, HIDDEN, EventEncoder, assert_equal_trees, carried_state, events, step_by_step, visible

from engram.memory import Core, tree_map
from engram.memory.episodic.event_log import copied
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.episodic.sparse import book, search
from engram.memory.episodic.sparse.cache import SparseCache
from engram.memory.episodic.sparse.memory import SparseEpisodicMemory

TIME, BATCH, SLOTS = 11, 3, 13
SIZES = {"slots": SLOTS, "heads": 2, "key_size": 3, "value_size": 5}


def pair(dtype=torch.float64, step_embedding_size=6, **kwargs):
    """A core that reads densely, and one of the same weights that reads sparsely."""
    made = []
    for read in ({"read": "dense"}, {"read": "sparse", **kwargs}):
        torch.manual_seed(0)
        sizes = {**SIZES, "step_embedding_size": step_embedding_size, **read}
        event = tree_map(lambda leaf: leaf[0, :1], events(1, 1))
        core = Core(EventEncoder(), event, ENCODED, "lstm", "episodic", {"hidden_size": HIDDEN}, sizes).to(dtype)
        with torch.no_grad():
            for parameter in core.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        made.append(core)
    return made


def unrolled(core, decisions=None):
    """Features, state and gradients along episodes that start anywhere."""
    torch.manual_seed(1)
    sequence, starts = events(TIME, BATCH, kinds=7), torch.rand(TIME, BATCH) < 0.15
    core.zero_grad()
    output = core.unroll(sequence, carried_state(core, kinds=4), starts, decisions)
    (output.features * torch.linspace(-1, 1, output.features.numel()).view_as(output.features)).sum().backward()
    return output, {name: parameter.grad for name, parameter in core.named_parameters()}


def test_the_word_makes_the_class():
    dense, sparse = pair()
    assert type(dense.memory) is EpisodicMemory
    assert type(sparse.memory) is SparseEpisodicMemory
    assert dense.state_dict().keys() == sparse.state_dict().keys()


@pytest.mark.parametrize("step_embedding_size", [0, 6])
def test_where_k_covers_all_slots_it_is_dense(step_embedding_size):
    (dense, expected), (sparse, gradients) = map(unrolled, pair(k=SLOTS, step_embedding_size=step_embedding_size))
    assert_equal_trees(sparse.features, dense.features, 1e-9)
    assert torch.equal(sparse.decisions.slot, dense.decisions)
    assert_equal_trees(tuple(sparse.trace.values()), tuple(dense.trace.values()), 1e-9)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=0, atol=1e-9, msg=name)


def test_few_events_are_read_and_they_are_the_best():
    dense, sparse = pair(k=2)
    torch.manual_seed(1)
    sequence, starts = events(TIME, BATCH), torch.zeros(TIME, BATCH, dtype=torch.bool)
    with torch.no_grad():
        state = carried_state(dense)
        whole = step_by_step(sparse, sequence, state, starts, cached=True)
        for t in range(TIME):
            now = tree_map(lambda leaf, t=t: leaf[t : t + 1], sequence)
            exact = dense.unroll(now, state, starts[:1])
            weights = dense.access(now, state, starts[:1], exact).read  # [B, R, N]
            step = sparse.unroll(now, state, starts[:1])
            found = step.decisions.found[0].long()
            read = sparse.access(now, state, starts[:1], step).read
            assert ((read > 0).sum(2) <= 2).all()
            # The share of what is found is that of the two best, but for the rounding of the search.
            share = (weights.gather(2, found.clamp(min=0)) * (found >= 0)).sum(2)
            assert (share >= weights.topk(2, dim=2).values.sum(2) - 0.02).all()
            state = step.state
    assert whole.decisions.found.shape == (TIME, BATCH, 2, 2)


@torch.no_grad()
def test_states_before_stay_as_they_were_though_places_are_shared(monkeypatch):
    _, sparse = pair(k=2)
    torch.manual_seed(1)
    sequence, starts = events(2 * SLOTS, BATCH), torch.zeros(2 * SLOTS, BATCH, dtype=torch.bool)
    starts[5, 1] = True
    state, cache, kept = sparse.initial_state(BATCH), None, []
    for t in range(len(starts)):
        step = sparse.unroll(
            tree_map(lambda leaf, t=t: leaf[t : t + 1], sequence), state, starts[t : t + 1], None, cache
        )
        state, cache = step.state, step.cache
        kept.append((state, tree_map(torch.clone, visible(state.memory))))
    for t, (handed_out, as_it_was) in enumerate(kept):
        assert_equal_trees(visible(handed_out.memory), as_it_was)
        assert handed_out.memory.filled.sum(1).tolist() == [
            min(SLOTS, t + 1 - 5 * (row == 1 and t >= 5)) for row in range(3)
        ]
        unwritten = sparse.memory.unwritten(handed_out.memory, kept[-1][0].memory)
        assert torch.equal(unwritten.filled, handed_out.memory.filled)
    with monkeypatch.context() as moved:  # states that were kept on a CPU and go on elsewhere
        moved.setattr(torch.Tensor, "is_cpu", property(lambda tensor: False))
        for handed_out, as_it_was in kept:
            assert_equal_trees(copied(handed_out.memory, wait=True), as_it_was)
    places = [handed_out.memory.newest.data_ptr() for handed_out, _ in kept]
    assert len(set(places[:5])) == 1
    assert len(set(places[5 : 5 + SLOTS])) == 1, "a copy only where an episode starts"


@torch.no_grad()
def test_what_is_kept_up_finds_what_a_new_search_would_find():
    _, sparse = pair(k=3)
    torch.manual_seed(1)
    sequence, starts = events(5 * SLOTS, BATCH, kinds=50), torch.rand(5 * SLOTS, BATCH) < 0.05
    state = carried_state(sparse, kinds=50)
    kept, anew = (step_by_step(sparse, sequence, state, starts, cached=cached) for cached in (True, False))
    assert_equal_trees(kept.decisions, anew.decisions)
    assert_equal_trees(kept.features, anew.features, 1e-9)


@torch.no_grad()
@pytest.mark.parametrize("by_torch", [False, True])
def test_a_row_that_starts_anew_forgets_even_what_is_not_a_number(by_torch, monkeypatch):
    if by_torch:
        for module in (book, search):
            monkeypatch.setattr(module, "library", lambda *_: None)
    _, sparse = pair(k=1)
    state, attention = carried_state(sparse, kinds=50).memory, sparse.memory.attention
    cache = SparseCache.of(copied(state), attention, sparse.memory.encode, 1)
    cache.keys.scales[1] = torch.nan
    cache.start_episodes(torch.tensor([False, True, False]))
    keys, zeros = torch.ones(BATCH, 2, 3, dtype=torch.float64), torch.zeros(BATCH, dtype=torch.int64)
    cache.put(keys, zeros.double(), torch.arange(1, 4), zeros)
    cache.update_bias(zeros + 1, attention)
    assert (cache.keys.find(keys, SLOTS, 1)[1] == 0).all()


@pytest.mark.parametrize("width", [1, 2, 5])
def test_without_a_compiler_products_are_exact(width):
    torch.manual_seed(0)
    keys, query = (torch.randint(-127, 128, shape).to(torch.int8) for shape in ((64, width), (width,)))
    assert torch.equal(search._products(keys, query), (keys.long() * query.long()).sum(1).float())


def test_without_a_compiler_it_is_the_same(monkeypatch):
    _, sparse = pair(k=3)
    with_one, gradients = unrolled(sparse)
    for module in (book, search):
        monkeypatch.setattr(module, "library", lambda *_: None)
    without, others = unrolled(sparse)
    assert_equal_trees(without.decisions, with_one.decisions)
    assert_equal_trees(without.features, with_one.features, 1e-12)
    assert_equal_trees(tuple(others.values()), tuple(gradients.values()), 1e-12)


def test_what_was_read_is_read_again_when_the_weights_have_changed():
    _, sparse = pair(k=2)
    recorded = unrolled(sparse)[0].decisions
    with torch.no_grad():
        for parameter in sparse.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    again, gradients = unrolled(sparse, recorded)
    assert_equal_trees(again.decisions, recorded)
    assert all(gradient.abs().max() > 0 for name, gradient in gradients.items() if "duplicate" not in name)
    anew = unrolled(sparse)[0].decisions
    assert not torch.equal(anew.found, recorded.found)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"read": "some"}, "read='some' must be dense or sparse"),
        ({"read": "sparse", "hops": 2}, "hops=2 with read=sparse"),
        ({"read": "sparse", "k": 0}, "k=0"),
    ],
)
def test_what_cannot_be_read_is_refused(kwargs, message):
    event = tree_map(lambda leaf: leaf[0, :1], events(1, 1))
    with pytest.raises(ValueError, match=message):
        Core(EventEncoder(), event, ENCODED, "lstm", "episodic", {"hidden_size": HIDDEN}, {**SIZES, **kwargs})
