"""The search finds the best slots, of one query and of many alike, and what is kept for it is what was written."""

import pytest
import torch

from engram.memory.episodic.sparse.search import SearchKeys

ROWS, HEADS, SLOTS, WIDTH, K = 2, 3, 331, 7, 5


@pytest.fixture
def written():
    """Search keys of which some slots are empty, and the same in floats."""
    keys, bias = torch.randn(ROWS, HEADS, SLOTS, WIDTH), torch.randn(ROWS, HEADS, SLOTS)
    kept = SearchKeys.empty(ROWS, HEADS, SLOTS, WIDTH, torch.device("cpu"))
    filled = torch.rand(ROWS, SLOTS) < 0.8
    for row in range(ROWS):
        slots = filled[row].nonzero().flatten()
        rows = torch.full_like(slots, row)
        kept.put(rows, slots, keys[row, :, slots].transpose(0, 1))
        kept.set_bias(rows, slots, bias[row, :, slots].t())
    return kept, keys, bias.masked_fill(~filled.unsqueeze(1), -torch.inf)


def logits(queries, keys, bias):
    return (keys @ queries.unsqueeze(3)).squeeze(3) + bias


def test_the_best_slot_is_found_and_nearly_all_of_the_others(written):
    kept, keys, bias = written
    queries = torch.randn(ROWS, HEADS, WIDTH)
    found = kept.find(queries, SLOTS, K)
    exact = logits(queries, keys, bias)
    best = exact.topk(K, dim=2)
    assert found.shape == (ROWS, HEADS, K)
    assert torch.equal(found[..., 0], best.indices[..., 0])
    # What is taken for one of the best is as good, but for the rounding of keys and queries.
    error = 2 * keys.abs().amax() * queries.abs().amax() * WIDTH / 127
    assert (exact.gather(2, found) >= best.values[..., -1:] - error).all()
    assert (exact.gather(2, found) > -torch.inf).all()  # none that is empty


def test_small_numbers_are_searched_exactly():
    """Keys and queries that are integers up to 127 are not rounded at all."""
    keys = torch.randint(-127, 128, (1, 1, 600, 5)).float()
    keys[..., 0] = 127.0
    kept = SearchKeys.empty(1, 1, 600, 5, torch.device("cpu"))
    rows, slots = torch.zeros(600, dtype=torch.int64), torch.arange(600)
    kept.put(rows, slots, keys[0].transpose(0, 1))
    kept.set_bias(rows, slots, torch.zeros(600, 1))
    query = torch.tensor([[[127.0, -64.0, 3.0, 99.0, 1.0]]])
    found = kept.find(query, 600, 16)[0, 0]
    assert torch.equal(found, (keys[0, 0] @ query[0, 0]).topk(16).indices)


def test_slots_that_are_not_in_use_are_not_looked_at(written):
    kept, keys, bias = written
    queries = torch.randn(ROWS, HEADS, WIDTH)
    found = kept.find(queries, 64, K)
    assert found.max() < 64
    assert torch.equal(found[..., 0], logits(queries, keys, bias)[..., :64].argmax(2))


def test_a_slot_that_is_written_again_is_found_by_its_new_key(written):
    kept, keys, _ = written
    query = torch.randn(ROWS, HEADS, WIDTH)
    rows, slots = torch.tensor([0, 1]), torch.tensor([330, 17])
    kept.put(rows, slots, 9 * query)
    kept.set_bias(rows, slots, torch.zeros(2, HEADS))
    assert torch.equal(kept.find(query, SLOTS, K)[..., 0], slots.unsqueeze(1).expand(-1, HEADS))
    before = kept.find(9 * keys[:, :, 200], SLOTS, 1)
    kept.put(rows, torch.tensor([5, 5]), torch.zeros(2, HEADS, WIDTH))
    assert torch.equal(kept.find(9 * keys[:, :, 200], SLOTS, 1), before)  # the others are left alone
