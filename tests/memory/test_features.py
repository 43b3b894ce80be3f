"""What the heads see, in C and by its definition."""

import pytest
import torch
from torch import nn

from engram.memory.features import NativeFeatures, features_of

HIDDEN, ENCODED, READ = 11, 5, 7


def made(rows, dtype=torch.float32):
    torch.manual_seed(0)
    factors = [nn.Linear(HIDDEN + ENCODED, HIDDEN).to(dtype), nn.Linear(READ, HIDDEN).to(dtype)]
    return factors, [torch.randn(1, rows, size, dtype=dtype) for size in (HIDDEN, ENCODED, READ)]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 3, 67])
def test_in_c_they_are_those_of_the_definition(rows, dtype):
    factors, given = made(rows, dtype)
    in_c = NativeFeatures.of(*factors)
    if in_c is None:
        pytest.skip("no C compiler here, or switched off")
    torch.testing.assert_close(in_c(*given), features_of(*factors, *given))
    apart = [part.expand(2, -1, -1)[1:].transpose(1, 2).contiguous().transpose(1, 2) for part in given]
    torch.testing.assert_close(in_c(*apart), features_of(*factors, *given))


@torch.no_grad()
def test_under_autocast_they_are_left_to_the_definition():
    factors, given = made(3)
    in_c = NativeFeatures.of(*factors)
    if in_c is None:
        pytest.skip("no C compiler here, or switched off")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(in_c(*given), features_of(*factors, *given))


@torch.no_grad()
def test_a_read_of_another_size_is_refused():
    factors, (hidden, encoded, read) = made(3)
    in_c = NativeFeatures.of(*factors)
    if in_c is None:
        pytest.skip("no C compiler here, or switched off")
    with pytest.raises(RuntimeError, match="shapes"):
        in_c(hidden, encoded, read[..., 1:])
