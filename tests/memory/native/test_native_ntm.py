"""The NTM's step in C beside the one in torch, which is held to the definition."""

import shutil

import pytest
import torch

from engram.memory.native import build as native
from engram.memory.ntm.fused import FusedNTM
from engram.memory.ntm.native import NativeNTM

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
SIZES = [(5, 11, 7, 3, 1), (3, 1, 2, 1, 0), (2, 64, 20, 1, 1), (1, 130, 5, 2, 4)]  # B, N, W, R, S
LEAVES = 4


@pytest.fixture(autouse=True, scope="module")
def _afresh(tmp_path_factory):
    """Compile into an empty folder, once per file, and forget it afterwards."""
    native.build.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("compiled")))
        patch.delenv("ENGRAM_NATIVE", raising=False)
        patch.delenv("CC", raising=False)
        yield
    native.build.cache_clear()


@pytest.fixture
def _switched_off(monkeypatch):
    monkeypatch.setenv("ENGRAM_NATIVE", "0")
    native.build.cache_clear()
    yield
    native.build.cache_clear()


def a_step(batch, slots, width, reads, shift, dtype):
    """An interface vector, a state, and the gradients of the state after it."""
    torch.manual_seed(3)
    memory = torch.randn(batch, slots, width, dtype=dtype)
    weights = (2 * torch.randn(batch, reads + 1, slots, dtype=dtype)).softmax(2)
    read = torch.randn(batch, reads * width, dtype=dtype)
    vector = 2 * torch.randn(batch, sum(FusedNTM(width, reads, shift, 20.0).groups), dtype=dtype)
    before = (memory, weights[:, :reads], weights[:, reads:], read)
    return vector, before, tuple(torch.randn_like(leaf) for leaf in before)


def outcome(step, vector, before, of_after):
    after, kept, _ = step.forward(vector, before, None)
    of_vector, of_before = step.backward(tuple(leaf.clone() for leaf in of_after), kept)
    return [*after, of_vector, *of_before], len(kept)


def assert_the_same(sizes, tolerance, *arguments):
    results, kept = outcome(NativeNTM(*sizes[2:], 20.0), *arguments)
    assert kept == 2 + 2 * LEAVES
    expected, _ = outcome(FusedNTM(*sizes[2:], 20.0), *arguments)
    for one, other in zip(results, expected, strict=True):
        assert one.shape == other.shape
        assert torch.equal(torch.isnan(one), torch.isnan(other))
        assert torch.allclose(one, other, atol=tolerance, rtol=tolerance, equal_nan=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_ntm_in_c_is_the_one_in_torch(sizes, dtype, tolerance):
    assert_the_same(sizes, tolerance, *a_step(*sizes, dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("value", [1e4, -1e4, 0.0, float("nan")])
def test_extremes_are_what_they_are_in_torch(value, dtype):
    vector, before, _ = a_step(*SIZES[0], dtype)
    one, other = (
        step(*SIZES[0][2:], 20.0).forward(torch.full_like(vector, value), before, None).after
        for step in (NativeNTM, FusedNTM)
    )
    for leaf, expected in zip(one, other, strict=True):
        assert torch.equal(torch.isnan(leaf), torch.isnan(expected))
        assert torch.allclose(leaf, expected, atol=1e-5, rtol=1e-4, equal_nan=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_a_head_that_stands_on_one_slot_leaves_the_others_their_tiny_weights(dtype, tolerance):
    vector, before, of_after = a_step(*SIZES[2], dtype)
    reads, write = torch.zeros_like(before[1]), torch.zeros_like(before[2])
    reads[..., 3], write[..., 0] = 1, 1
    gates = FusedNTM(20, 1, 1, 20.0).per_head
    for head in range(2):
        vector[:, head * sum(gates) + 22] = -40.0  # the gate: not by content
    assert_the_same(SIZES[2], tolerance, vector, (before[0], reads, write, before[3]), of_after)


def test_arrays_need_not_lie_as_c_expects_them():
    vector, before, of_after = a_step(*SIZES[0], torch.float64)
    before = (before[0].transpose(1, 2).contiguous().transpose(1, 2), before[1][:1].expand(5, -1, -1), *before[2:])
    of_after = (torch.ones(1, dtype=torch.float64).expand(5, 11, 7), *of_after[1:])
    assert not before[0].is_contiguous()
    assert_the_same(SIZES[0], 1e-11, vector, before, of_after)


@pytest.mark.usefixtures("_switched_off")
def test_without_it_the_step_is_taken_in_torch():
    arguments = a_step(*SIZES[0], torch.float64)
    results = (outcome(step(*SIZES[0][2:], 20.0), *arguments) for step in (NativeNTM, FusedNTM))
    (one, kept), (other, expected) = results
    assert kept == expected
    assert all(torch.equal(leaf, same) for leaf, same in zip(one, other, strict=True))


def test_an_odd_bound_has_no_c_code():
    assert NativeNTM(7, 3, 1, 0.5).layout(11) == "a bound of 0.5 has no C code"
    assert NativeNTM(7, 3, 1, 20.0).path(a_step(*SIZES[0], torch.float32)[1]) == "native"
