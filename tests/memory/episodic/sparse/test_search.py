"""The search finds the best slots, of one query and of many alike, and what is kept for it is what was written."""

from ctypes import CDLL

import pytest
import torch

from engram.memory.episodic.sparse import search
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.native.build import library

IN_C = library(search._SOURCE, torch.float32) is not None
needs_a_compiler = pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")

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


@needs_a_compiler
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("width", "k"), [(7, 5), (8, 1), (83, 64), (64, SLOTS)])
def test_in_c_it_is_what_it_is_in_torch(monkeypatch, width, k, dtype, plain):
    """Also where many keys and biases are equal, and where some are far from all others."""
    if plain:
        monkeypatch.setattr(search, "library", lambda *given: library(*given, PLAIN=1))
    torch.manual_seed(width)
    kept = SearchKeys.empty(ROWS, HEADS, SLOTS, width, torch.device("cpu"))
    keys = torch.randn(3 * SLOTS, HEADS, width, dtype=dtype) * torch.rand(3 * SLOTS, 1, width, dtype=dtype) ** 4
    keys[SLOTS:] = keys[:29].repeat(2 * SLOTS // 29 + 1, 1, 1)[: 2 * SLOTS]
    rows, slots = torch.randint(ROWS, (len(keys),)), torch.randint(SLOTS - 9, (len(keys),))
    rows, slots = torch.stack([rows, slots]).unique(dim=1)
    kept.put(rows, slots, keys[: len(rows)])
    kept.set_bias(rows, slots, torch.randint(-3, 3, (len(rows), HEADS)) / 9)
    for scale in (1e-3, 1.0, 1e3):
        queries = scale * torch.randn(ROWS, HEADS, width, dtype=dtype)
        by_torch = kept.find_by_torch(queries, kept.bias.shape[2], k)
        assert torch.equal(kept.find(queries, SLOTS, k), by_torch)
    assert isinstance(kept._library(queries), CDLL)
    # What was written is that, too.
    integers, scales = search._quantize(keys[: len(rows)])
    assert torch.equal(kept.keys[rows, :, slots], integers)
    assert torch.equal(kept.scales[rows, :, slots], scales)


@pytest.mark.parametrize("by_torch", [False, True])
def test_of_equal_ones_the_first_are_found(by_torch):
    kept = SearchKeys.empty(1, 1, SLOTS, WIDTH, torch.device("cpu"))
    slots = torch.arange(SLOTS)
    kept.put(slots * 0, slots, torch.ones(SLOTS, 1, WIDTH))
    kept.set_bias(slots * 0, slots, (slots % 3 == 1).float().unsqueeze(1))
    find = kept.find_by_torch if by_torch else kept.find
    assert find(torch.ones(1, 1, WIDTH), 320, K).tolist() == [[[1, 4, 7, 10, 13]]]


@pytest.mark.parametrize(("sign", "first", "last"), [(1, 30, 31), (-1, 17, 16)])
def test_a_key_that_is_as_good_as_its_coarse_key_allows_is_found(sign, first, last):
    """The best keys come last, and have the coarse key of all others: the multiple of 16 below."""
    keys = torch.full((SLOTS, 1, WIDTH), float(first))
    keys[320:] = last
    keys[..., 0] = 127.0  # so that nothing is rounded
    kept, slots = SearchKeys.empty(1, 1, SLOTS, WIDTH, torch.device("cpu")), torch.arange(SLOTS)
    kept.put(slots * 0, slots, keys)
    kept.set_bias(slots * 0, slots, torch.zeros(SLOTS, 1))
    assert kept.find(torch.full((1, 1, WIDTH), float(sign)), SLOTS, 1).item() == 320


@pytest.mark.parametrize("above", [1.0, -1.0])
def test_what_is_rounded_for_the_coarse_look_hides_no_key(above):
    """Keys of all lengths that point one way, and biases of all sizes: bounds are as near to the logits as they get."""
    torch.manual_seed(3)
    number = 5 * SLOTS
    lengths, bias = 1 + torch.rand(number, 1, 1) / 50, 7 + torch.rand(number, 1) / 50
    slots = torch.arange(number)
    kept = SearchKeys.empty(1, 1, number, 16, torch.device("cpu"))
    kept.put(slots * 0, slots, lengths * torch.full((1, 1, 16), 112.0).index_fill(2, torch.tensor([0]), 127.0))
    for sign in (1, -1):
        kept.set_bias(slots * 0, slots, sign * bias)
        query = torch.full((1, 1, 16), above / 800)
        assert torch.equal(kept.find(query, number, K), kept.find_by_torch(query, kept.bias.shape[2], K))


@pytest.mark.parametrize("by_torch", [False, True])
def test_an_episode_that_starts_has_no_keys(written, by_torch, monkeypatch):
    if by_torch:
        monkeypatch.setattr(search, "library", lambda *_: None)
    kept, _, bias = written
    kept.start_episodes(torch.tensor([False, True]))
    assert (kept.bias[1] == -torch.inf).all()
    assert not kept.scales[1].any()
    assert torch.equal(kept.bias[0, :, :SLOTS], bias[0])
    assert torch.equal(kept.find(torch.ones(ROWS, HEADS, WIDTH), SLOTS, K)[1], torch.arange(K).expand(HEADS, -1))
