"""The hash of events: equal where and only where all bits are, for every dtype."""

import os
import shutil
from itertools import permutations, product

import pytest
import torch

from engram.memory import event_hash as event_hash_module
from engram.memory.event_hash import event_hash, hash_of_bytes

IN_C = shutil.which("cc") is not None and os.environ.get("ENGRAM_NATIVE") != "0"
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
DTYPES = [torch.bool, *INTEGERS, *FLOATS]
SIGNED = [dtype for dtype in DTYPES if dtype.is_signed]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def hashes(events):
    """Hashes [X] of events with leaves [X, ...]."""
    return event_hash(tuple(leaf.unsqueeze(1) for leaf in events)).squeeze(1)


def assert_all_differ(*events):
    """Not only the hashes differ, but each half of their bits does: a difference anywhere reaches all of a hash."""
    found = hashes(events)
    assert found.dtype == torch.int64
    for bits in (found, found >> 32, found & 0xFFFFFFFF):
        assert len(bits.unique()) == len(found)


@every_dtype
def test_one_hots_and_their_opposites_differ(dtype):
    size = 7 * 11 * 13
    one_hots = torch.eye(size, dtype=torch.bool)
    rows = torch.cat([one_hots, ~one_hots]).to(dtype)
    assert_all_differ(rows.view(-1, 7, 11, 13))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != torch.bool], ids=str)
def test_small_whole_numbers_differ(dtype):
    lowest = -2 if dtype.is_signed else 0
    assert_all_differ(torch.tensor(list(product(range(lowest, lowest + 5), repeat=5))).to(dtype))


@pytest.mark.parametrize("dtype", SIGNED, ids=str)
def test_signs_count(dtype):
    """Every choice of signs; the sum over an event, and over the bits of its signs, is the same for many."""
    signs = torch.tensor(list(product([1, -1], repeat=12)))
    assert_all_differ(signs.to(dtype))
    assert_all_differ((signs * torch.arange(1, 13)).to(dtype))


@every_dtype
def test_order_counts(dtype):
    values = [0, 1, 0, 1, 1, 0, 0, 0] if dtype == torch.bool else list(range(1, 8))
    orders = sorted(set(permutations(values)))
    assert_all_differ(torch.tensor(orders).to(dtype))


@every_dtype
def test_events_moved_by_some_elements_differ(dtype):
    torch.manual_seed(1)
    pattern = torch.randint(0, 2, (61,))
    assert_all_differ(torch.stack([pattern.roll(by) for by in range(61)]).to(dtype))
    blank = torch.zeros(40, 900, dtype=torch.int64)
    for by in range(40):
        blank[by, 20 * by : 20 * by + 61] = pattern
    assert_all_differ(blank.to(dtype))


@every_dtype
def test_a_difference_in_one_bit_is_one(dtype):
    torch.manual_seed(2)
    event = torch.randint(0, 256, (1, 88), dtype=torch.uint8)
    if dtype == torch.bool:
        event = event & 1
        flipped = event ^ torch.eye(88, dtype=torch.uint8)
    else:
        flipped = event ^ torch.cat([torch.eye(88, dtype=torch.uint8) << bit for bit in range(8)])
    assert_all_differ(torch.cat([event, flipped]).view(dtype))


def test_every_leaf_counts_and_where_it_stands():
    """A number in one leaf is not the same number in another, whatever the dtypes and sizes."""
    torch.manual_seed(3)
    shapes = {torch.uint8: (2, 3), torch.float32: (5,), torch.int64: (), torch.bool: (3,), torch.float64: (2,)}
    variants = []
    for dtype in shapes:
        for place in range(torch.Size(shapes[dtype]).numel()):
            for number in (1,) if dtype == torch.bool else (1, 2, 3):
                event = [torch.zeros(1, *shape, dtype=kind) for kind, shape in shapes.items()]
                event[list(shapes).index(dtype)].view(-1)[place] = number
                variants.append(event)
    assert_all_differ(*(torch.cat(leaves) for leaves in zip(*variants, strict=True)))


def test_pairs_of_equal_leaves_differ_unless_both_are_equal():
    numbers = torch.arange(71)
    first, second = torch.meshgrid(numbers, numbers, indexing="ij")
    for dtype in (torch.float64, torch.int64, torch.uint8):
        assert_all_differ(first.flatten().to(dtype), second.flatten().to(dtype))


@every_dtype
def test_equal_events_have_equal_hashes_wherever_and_however_they_are_stored(dtype):
    values = torch.randint(0, 2, (300, 2, 3)).to(dtype)
    found = event_hash(values.view(20, 15, 2, 3)).flatten()
    equal = (values.unsqueeze(0) == values.unsqueeze(1)).flatten(2).all(2)
    assert torch.equal(found.unsqueeze(0) == found.unsqueeze(1), equal)

    events = values.view(20, 15, 2, 3)
    whole = event_hash(events)
    assert torch.equal(event_hash(events[2:3, 1:2]), whole[2:3, 1:2])
    assert torch.equal(event_hash(events.transpose(0, 1)), whole.t())
    in_another_order = events.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert torch.equal(event_hash(in_another_order), whole)
    one = events[:1, :1]
    assert torch.equal(event_hash(one.expand(20, 15, 2, 3)), event_hash(one).expand(20, 15))
    assert torch.equal(event_hash((events[..., 0], events[..., 1:])), event_hash((events[..., 0], events[..., 1:])))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_what_counts_are_the_bits(dtype):
    zero, nan = torch.zeros(1, 3, dtype=dtype), torch.full((1, 3), torch.nan, dtype=dtype)
    assert hashes([zero]) != hashes([-zero])
    assert hashes([nan]) == hashes([nan.clone()])


def test_the_hash_is_the_same_in_every_process_and_on_every_machine():
    """Written down once: a state that was stored by one process is read by another."""
    grid, action = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3), torch.tensor([[2]])
    vector, pair = torch.tensor([[[0.5, -1.0]]]), torch.tensor([[[1.0, 1.0]]], dtype=torch.float64)
    found = [event_hash(event).item() for event in ((grid, action, vector), pair, -pair)]
    assert found == [1930799481792960220, 7566125687603606484, 7790080959860342784]


@pytest.mark.gpu
def test_the_hash_is_the_same_on_a_gpu(gpu):
    events = (torch.randint(0, 9, (5, 7, 2, 3), dtype=torch.uint8), torch.randn(5, 7, 3), torch.rand(5, 7) < 0.5)
    assert torch.equal(event_hash(tuple(leaf.to(gpu) for leaf in events)).cpu(), event_hash(events))


@pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 64, 257])
def test_it_is_the_same_in_c(size, monkeypatch):
    numbers = torch.randint(0, 256, (3, 5, size), dtype=torch.uint8)
    expected = hash_of_bytes(numbers)
    monkeypatch.setattr(event_hash_module, "hash_of_bytes", None)
    assert torch.equal(event_hash(numbers), expected)
    assert torch.equal(event_hash(numbers.transpose(0, 1)), expected.t())
