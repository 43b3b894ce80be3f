"""A prepared replay equals `unroll` with the recorded decisions, forward and backward, for every registered core."""

import pytest
import torch
from cores import BATCH, SPECS, assert_equal_trees, build, carried_state, episode_starts, events

from engram.memory import tree_map
from engram.memory.distinct import distinct, distinct_by_torch, only_used
from engram.memory.state import leaves

CHUNKS = 2  # beside one another in time, so that P = 2 * BATCH rows come from two states

pytestmark = pytest.mark.usefixtures("own_memories")
every_core = pytest.mark.parametrize("spec", SPECS, ids=str)


def recorded(core, pattern):
    """Two chunks of a sequence, as acting with other weights recorded them."""
    with torch.no_grad():
        chunks, state = [], carried_state(core)
    for seed in range(CHUNKS):
        torch.manual_seed(seed)
        sequence, starts = events(kinds=7), episode_starts(pattern)
        with torch.no_grad():
            acted = core.unroll(sequence, state, starts)
        chunks.append((sequence, state, starts, acted.decisions))
        state = acted.state
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return chunks


def side_by_side(parts):
    """Chunks [L, B, ...] as the rows of one batch."""
    return tree_map(lambda *leaves: torch.cat(leaves, dim=1), *parts)


def learned(core, features, mixing):
    core.zero_grad()
    (features * mixing).sum().backward()
    gradients = [parameter.grad for parameter in core.parameters()]
    return features.detach(), [torch.zeros(()) if gradient is None else gradient.clone() for gradient in gradients]


@every_core
@pytest.mark.parametrize("pattern", ["none", "staggered"])
def test_features_and_gradients_are_those_of_unroll(spec, pattern):
    core = build(spec, torch.float64)
    chunks = recorded(core, pattern)
    sequences, states, starts, decisions = zip(*chunks, strict=True)
    plan = core.plan(side_by_side(sequences), states, side_by_side(starts), side_by_side(decisions))
    order = torch.randperm(CHUNKS * BATCH)
    mixing = torch.randn(len(starts[0]), CHUNKS * BATCH, core.feature_size, dtype=torch.float64)

    distinct_events, replay = plan
    rows = tree_map(lambda leaf: leaf[order], replay)
    assert all(leaf.shape[0] == CHUNKS * BATCH for leaf in leaves(replay))
    replayed = learned(core, core.replay(distinct_events, rows).features, mixing[:, order])
    unrolled = [core.unroll(*chunk).features for chunk in chunks]
    expected = learned(core, torch.cat(unrolled, dim=1), mixing)
    assert_equal_trees(replayed[0], expected[0][:, order], 1e-9)
    assert_equal_trees(tuple(replayed[1]), tuple(expected[1]), 1e-9)


def test_equal_events_are_encoded_once():
    core = build(next(spec for spec in SPECS if spec.memory == "episodic"))
    sequences, states, starts, decisions = zip(*recorded(core, "staggered"), strict=True)
    kinds, replay = core.plan(side_by_side(sequences), states, side_by_side(starts), side_by_side(decisions))
    assert len(kinds.vector) <= CHUNKS * 7 + 4 + 1  # of both chunks, of the carried state, and of empty slots
    seen = []
    core.encoder.register_forward_pre_hook(lambda module, given: seen.append(len(given[0].vector)))
    core.replay(kinds, tree_map(lambda leaf: leaf[:1], replay))
    assert len(seen) == 1
    assert seen[0] < len(kinds.vector)  # only those that these rows need


@pytest.mark.parametrize("find", [distinct, distinct_by_torch])
@pytest.mark.parametrize("hashes", [[5, -3, 5, 9, -3, 5], [0, 2**32, 0, -(2**32), 2**63 - 1, 2**32], [7], []])
def test_distinct_events_are_found_by_their_hash(hashes, find):
    hashes = torch.tensor(hashes, dtype=torch.int64)
    first, number = find(hashes)
    assert torch.equal(hashes[first][number], hashes)
    assert sorted(hashes[first].tolist()) == sorted(set(hashes.tolist()))


def test_many_distinct_events_are_found_among_many():
    torch.manual_seed(0)
    hashes = torch.randint(-300, 300, (5000,)) << 40  # all begin alike
    first, number = distinct(hashes)
    assert torch.equal(hashes[first][number], hashes)
    assert torch.equal(hashes[first].sort().values, hashes.unique())


@pytest.mark.parametrize("on_cpu", [True, False])
def test_only_what_is_referred_to_is_taken(on_cpu, monkeypatch):
    if not on_cpu:
        monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda tensor: False))
    events_of = (torch.arange(10), torch.arange(10).unsqueeze(1) * 2)
    indices = [torch.tensor([[7, 2], [2, 2]]), torch.tensor([9])]
    used, found = only_used(events_of, indices)
    for index, place in zip(indices, found, strict=True):
        assert torch.equal(used[0][place], index)
        assert torch.equal(used[1][place].squeeze(-1), 2 * index)
    assert len(used[0]) == (3 if on_cpu else 5)
