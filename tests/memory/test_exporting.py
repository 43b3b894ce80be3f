"""What is computed by arithmetic while a step is exported is what a view of the bits shows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engram.memory import exporting
from engram.memory.dnc.allocation import free_list
from engram.memory.event_hash import event_hash, hash_of_bytes
from engram.memory.positions import AgeBias

WORDS = {torch.float32: torch.int32, torch.float16: torch.int16}
LEAVES = {
    torch.float32: torch.tensor([0.0, -0.0, 1.5, -3e38, 1e-45, -1e-40, torch.inf, -torch.inf, torch.nan]),
    torch.float16: torch.tensor([0.0, -0.0, 1.5, -6e4, 6e-8, torch.inf, -torch.inf], dtype=torch.float16),
    torch.uint8: torch.arange(0, 256, 37, dtype=torch.uint8),
    torch.int8: torch.arange(-128, 127, 37, dtype=torch.int8),
    torch.bool: torch.tensor([True, False, True]),
    torch.int32: torch.tensor([0, -1, 2**31 - 1, -(2**31), 65_537], dtype=torch.int32),
    torch.int64: torch.tensor([0, -1, 2**63 - 1, -(2**63), 2**40 + 3]),
}


@pytest.mark.parametrize("dtype", WORDS)
def test_bits_of_any_float(dtype):
    limits = torch.iinfo(WORDS[dtype])
    bits = torch.randint(limits.min, limits.max + 1, (50_000,), generator=torch.manual_seed(3)).to(WORDS[dtype])
    bits = bits[~bits.view(dtype).isnan()]
    assert torch.equal(exporting.bits_by_arithmetic(bits.view(dtype)), bits.long())


@given(st.floats(width=32, allow_nan=False))
def test_bits_of_a_float(number):
    numbers = torch.tensor([number])
    assert torch.equal(exporting.bits_by_arithmetic(numbers), exporting.bits_of(numbers))


@pytest.mark.parametrize("dtype", LEAVES, ids=str)
def test_bytes_of_every_type(dtype):
    leaf = LEAVES[dtype].view(1, 1, -1)
    assert torch.equal(exporting.bytes_by_arithmetic(leaf), exporting.bytes_of(leaf).long())


@pytest.fixture
def exported(monkeypatch):
    """Let the next calls take the paths of an export, outside of one."""
    return lambda: monkeypatch.setattr("torch.compiler._is_exporting_flag", True)


def test_hashes_are_the_same(exported):
    events = tuple(leaf.expand(2, 3, -1) for leaf in LEAVES.values())
    joined = torch.cat([exporting.bytes_of(leaf) for leaf in events], dim=2)
    wanted, hashed = event_hash(events), hash_of_bytes(joined)
    exported()
    assert torch.equal(event_hash(events), wanted)
    assert torch.equal(wanted, hashed)


def test_buckets_and_orders_are_the_same(exported):
    ages, usage = torch.arange(-3, 3000), torch.rand(3, 17, generator=torch.manual_seed(1)).round(decimals=1)
    bias = AgeBias(2)
    wanted = bias.bucket(ages), free_list(usage)
    exported()
    assert all(
        torch.equal(got, other) for got, other in zip((bias.bucket(ages), free_list(usage)), wanted, strict=True)
    )
