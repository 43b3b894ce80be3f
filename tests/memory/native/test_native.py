"""The steps in C beside what they are held to, and what happens where they cannot be compiled."""

import os
import random
import shutil
import time
import warnings
from pathlib import Path

import pytest
import torch

from engram.memory.controllers.lstm import fused as fused_lstm
from engram.memory.controllers.lstm import native as native_lstm
from engram.memory.dnc.fused import FusedDNC
from engram.memory.dnc.native import NativeDNC
from engram.memory.native import build as native
from engram.memory.native import cache

FOLDER = Path(native.__file__).parents[1]
DNC, LSTM = FOLDER / "dnc" / "native.c", FOLDER / "controllers" / "lstm" / "native.c"
HAS_COMPILER = shutil.which("cc") is not None
needs_a_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler (cc) here: the steps in C are not tested")
SIZES = [(5, 11, 7, 3), (3, 1, 2, 1), (2, 64, 32, 4), (1, 130, 5, 2)]  # B, N, W, R


@pytest.fixture(autouse=True)
def _afresh(monkeypatch, tmp_path):
    """Compile into an empty folder, and forget it afterwards."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ENGRAM_NATIVE", raising=False)
    monkeypatch.delenv("CC", raising=False)
    native.build.cache_clear()
    yield
    native.build.cache_clear()


def a_step(batch, slots, width, reads, dtype):
    """An interface vector, a state, and the gradients of the state after it; many slots are equally used."""
    torch.manual_seed(3)

    def shares(*shape):
        return torch.randn(*shape, dtype=dtype).softmax(-1) * 0.9

    links = torch.rand(batch, slots, slots, dtype=dtype) / slots
    links.diagonal(dim1=1, dim2=2).zero_()
    usage = torch.rand(batch, slots, dtype=dtype).mul(4).round() / 4
    memory, read = torch.randn(batch, slots, width, dtype=dtype), torch.randn(batch, reads * width, dtype=dtype)
    before = (memory, usage, shares(batch, slots), links, shares(batch, slots), shares(batch, reads, slots), read)
    vector = 2 * torch.randn(batch, sum(FusedDNC(width, reads).groups), dtype=dtype)
    return vector, before, tuple(torch.randn_like(leaf) for leaf in before)


def outcome(step, vector, before, of_after, decision=None):
    after, kept, order = step.forward(vector, before, decision)
    of_vector, of_before = step.backward(tuple(leaf.clone() for leaf in of_after), kept)
    return [*after, of_vector, *of_before], order


def assert_the_same(step, width, reads, tolerance, *arguments):
    results, order = outcome(step, *arguments)
    expected, expected_order = outcome(FusedDNC(width, reads), *arguments)
    assert torch.equal(order, expected_order)
    for one, other in zip(results, expected, strict=True):
        assert torch.allclose(one, other, atol=tolerance, rtol=tolerance)


@needs_a_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_dnc_in_c_is_the_one_in_torch(sizes, dtype, tolerance):
    _, slots, width, reads = sizes
    assert native.library(DNC, dtype, N=slots, W=width, R=reads) is not None
    step = NativeDNC(width, reads)
    assert_the_same(step, width, reads, tolerance, *a_step(*sizes, dtype))


@needs_a_compiler
def test_a_recorded_order_is_replayed():
    vector, before, of_after = a_step(5, 11, 7, 3, torch.float64)
    order = torch.stack([torch.randperm(11) for _ in range(5)])
    assert_the_same(NativeDNC(7, 3), 7, 3, 1e-12, vector, before, of_after, order)
    assert not torch.equal(outcome(NativeDNC(7, 3), vector, before, of_after)[1], order)


@needs_a_compiler
def test_arrays_need_not_lie_as_c_expects_them():
    vector, before, of_after = a_step(5, 11, 7, 3, torch.float64)
    before = (before[0].transpose(1, 2).contiguous().transpose(1, 2), before[1][:1].expand(5, -1), *before[2:])
    of_after = (torch.ones(1, dtype=torch.float64).expand(5, 11, 7), *of_after[1:])
    assert not before[0].is_contiguous()
    assert_the_same(NativeDNC(7, 3), 7, 3, 1e-12, vector, before, of_after)


@needs_a_compiler
@pytest.mark.parametrize("value", [1e4, -1e4, 0.0, float("nan")])
def test_extremes_are_what_they_are_in_torch(value):
    vector, before, of_after = a_step(5, 11, 7, 3, torch.float64)
    vector = torch.full_like(vector, value)
    (after, _), (expected, _) = (outcome(step, vector, before, of_after) for step in (NativeDNC(7, 3), FusedDNC(7, 3)))
    for one, other in zip(after, expected, strict=True):
        assert torch.equal(torch.isnan(one), torch.isnan(other))
        assert torch.allclose(one, other, atol=1e-6, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    "variable", [("ENGRAM_NATIVE", "0"), ("ENGRAM_NATIVE", "off"), ("CC", "no-such-compiler"), ("PATH", "")]
)
def test_without_it_the_step_is_taken_in_torch(monkeypatch, variable):
    monkeypatch.setenv(*variable)
    assert native.library(DNC, torch.float64, N=11, W=7, R=3) is None
    assert_the_same(NativeDNC(7, 3), 7, 3, 0.0, *a_step(5, 11, 7, 3, torch.float64))


@needs_a_compiler
@pytest.mark.parametrize("broken", ["compiler", "folder", "home"])
def test_what_went_wrong_with_the_compiler_is_told_once(monkeypatch, tmp_path, broken):
    if broken == "compiler":
        monkeypatch.setenv("CC", "false")
    elif broken == "folder":
        (tmp_path / "engram").write_text("in the way")
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(native.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home directory")))
    with pytest.warns(UserWarning, match=r"dnc/native\.c could not be compiled, the slower step in torch is taken"):
        assert native.library(DNC, torch.float64, N=11, W=7, R=3) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_the_same(NativeDNC(7, 3), 7, 3, 0.0, *a_step(5, 11, 7, 3, torch.float64))


def a_cell(batch, size, dtype):
    """Gates, a cell, and the gradients of output and cell."""
    torch.manual_seed(3)
    gates = 3 * torch.randn(batch, 4 * size, dtype=dtype)
    return gates, *torch.randn(3, batch, size, dtype=dtype).unbind(0)


def cell_outcome(cell, gates, before, of_output, of_after):
    gates = gates.clone()  # they are squashed in place
    output, after, squashed = cell.cell_forward(gates, before)
    return [gates, output, after, squashed, *cell.cell_backward(of_output, of_after, gates, before, squashed)]


def assert_the_same_cell(tolerance, *arguments):
    results = (cell_outcome(cell, *arguments) for cell in (native_lstm, fused_lstm))
    for one, other in zip(*results, strict=True):
        assert one.shape == other.shape
        assert torch.equal(torch.isnan(one), torch.isnan(other))
        assert torch.allclose(one, other, atol=tolerance, rtol=tolerance, equal_nan=True)


@needs_a_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
@pytest.mark.parametrize("sizes", [(5, 7), (3, 11), (1, 1), (2, 128), (0, 5)])
def test_the_lstms_cell_in_c_is_the_one_in_torch(sizes, dtype, tolerance):
    arguments = a_cell(*sizes, dtype)
    assert native_lstm._compiled(*arguments) is not None
    assert_the_same_cell(tolerance, *arguments)


@needs_a_compiler
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("value", [1e4, -1e4, 0.0, float("inf"), -float("inf"), float("nan")])
def test_extremes_in_the_lstms_cell_are_what_they_are_in_torch(value, dtype):
    gates, before, *gradients = a_cell(5, 7, dtype)
    gates[:, ::3] = value
    before[2] = value
    before.clamp_(-1e4, 1e4)  # nothing makes an infinite cell
    assert_the_same_cell(1e-6, gates, before, *gradients)


@needs_a_compiler
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_tiny_candidate_keeps_its_digits(dtype):
    gates = torch.logspace(-20, -1, 44, dtype=dtype).mul(torch.tensor([1.0, -1.0]).repeat(22)).unsqueeze(0)
    expected = gates[:, 33:].tanh()
    native_lstm.cell_forward(gates, torch.zeros(1, 11, dtype=dtype))
    assert torch.allclose(gates[:, 33:], expected, atol=0, rtol=4 * torch.finfo(dtype).eps)


@needs_a_compiler
def test_arrays_of_the_lstms_cell_need_not_lie_as_c_expects_them():
    gates, before, of_output, _ = a_cell(5, 7, torch.float64)
    before = before.t().contiguous().t()
    of_after = torch.ones(1, 1, dtype=torch.float64).expand(5, 7)
    assert not before.is_contiguous()
    assert_the_same_cell(1e-14, gates, before, of_output, of_after)
    across = gates.t().contiguous().t()
    native_lstm.cell_forward(across, before)
    native_lstm.cell_forward(gates, before)
    assert torch.allclose(across, gates, atol=1e-14)


def test_other_cells_are_left_to_torch(monkeypatch):
    asked = []
    monkeypatch.setattr("engram.memory.controllers.lstm.native.library", lambda *args: asked.append(args))
    gates, before, *_ = a_cell(5, 7, torch.float64)
    for odd in ((gates[:, :27], before), (gates.float(), before), (gates.to("meta"), before)):
        assert native_lstm._compiled(*odd) is None
    for odd in (before[:1], before.float(), before.to("meta")):
        assert native_lstm._compiled(gates, odd) is None
        assert native_lstm._compiled(gates, before, odd) is None
    assert not asked
    native_lstm._compiled(gates, before)
    assert asked == [(LSTM, torch.float64)]


def test_without_a_compiler_the_lstms_cell_is_that_of_torch(monkeypatch):
    monkeypatch.setenv("ENGRAM_NATIVE", "0")
    assert native_lstm._compiled(*a_cell(5, 7, torch.float64)) is None
    assert_the_same_cell(0.0, *a_cell(5, 7, torch.float64))


@needs_a_compiler
def test_what_a_source_includes_is_part_of_its_name(monkeypatch, tmp_path):
    for header in (FOLDER / "native").glob("*.h"):
        shutil.copy(header, tmp_path)
    monkeypatch.setattr(native, "__file__", str(tmp_path / "build.py"))
    gates, before, *_ = a_cell(5, 7, torch.float64)
    native_lstm.cell_forward(gates.clone(), before)
    header = tmp_path / "native_math.h"
    header.write_text(header.read_text().replace("REAL sigmoid(REAL x) {", "REAL sigmoid(REAL x) { return 7;"))
    native.build.cache_clear()
    native_lstm.cell_forward(gates, before)
    assert (gates[:, :21] == 7).all()


@needs_a_compiler
def test_a_compiler_may_have_options(monkeypatch):
    monkeypatch.setenv("CC", "cc -O1")
    assert native.library(DNC, torch.float64, N=11, W=7, R=3) is not None


def test_other_types_and_large_memories_are_left_to_torch(monkeypatch):
    assert native.library(DNC, torch.bfloat16, N=11, W=7, R=3) is None
    asked = []
    monkeypatch.setattr("engram.memory.feedback.native_step.library", lambda *args, **sizes: asked.append(sizes))
    for sizes in ((1, 11, 7, 3), (1, 2, 20_000, 1), (1, 500, 100, 4)):
        _, before, _ = a_step(*sizes, torch.float64)
        assert NativeDNC(*sizes[2:]).compiled(before[0]) is None
    assert [sizes for sizes in asked if sizes] == [{"N": 11, "W": 7, "R": 3}]


ODD = {
    "a batch of another size": lambda vector, before: (vector, tuple(leaf[:2] for leaf in before)),
    "a leaf of another size": lambda vector, before: (vector, (*before[:3], before[3][:, :5, :5], *before[4:])),
    "no links": lambda vector, before: (vector, (*before[:3], before[3][:, :0, :0], *before[4:])),
    "another type": lambda vector, before: (vector.float(), before),
    "too short a vector": lambda vector, before: (vector[:, :-1], before),
}


@needs_a_compiler
@pytest.mark.parametrize("odd", ODD)
def test_tensors_that_do_not_fit_are_refused_by_torch(odd):
    vector, before, _ = a_step(5, 11, 7, 3, torch.float64)
    with pytest.raises(RuntimeError):
        NativeDNC(7, 3).forward(*ODD[odd](vector, before), None)


@needs_a_compiler
@pytest.mark.parametrize("number", [-1, 11, 20_000])
def test_an_order_that_names_no_slot_is_refused(number):
    vector, before, _ = a_step(5, 11, 7, 3, torch.float64)
    order = torch.arange(11).repeat(5, 1)
    order[3, 4] = number
    with pytest.raises(IndexError, match=r"holds numbers that are not in 0\.\.10"):
        NativeDNC(7, 3).forward(vector, before, order)


@needs_a_compiler
def test_what_was_compiled_once_is_loaded(tmp_path):
    sizes = {"N": 11, "W": 7, "R": 3}
    assert native.library(DNC, torch.float32, **sizes) is not None
    (compiled,) = (tmp_path / "engram").iterdir()
    stamp = compiled.stat().st_mtime_ns
    native.build.cache_clear()
    assert native.library(DNC, torch.float32, **sizes) is not None
    assert compiled.stat().st_mtime_ns == stamp
    assert native.library(DNC, torch.float32, **{**sizes, "N": 12}) is not None
    assert len(list((tmp_path / "engram").iterdir())) == 2


@needs_a_compiler
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_compiled_again(monkeypatch, tmp_path, share):
    assert native.library(DNC, torch.float32, N=11, W=7, R=3) is not None
    (compiled,) = (tmp_path / "engram").iterdir()
    whole = compiled.read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    cut = tmp_path / "other" / "engram" / compiled.name
    cut.parent.mkdir(parents=True)
    cut.write_bytes(whole[: int(share * len(whole))])
    cut.chmod(0o700)
    native.build.cache_clear()
    assert native.library(DNC, torch.float32, N=11, W=7, R=3) is not None
    assert len(cut.read_bytes()) == len(whole)


def compiled_file(tmp_path):
    """A library that was compiled and loaded; the next process finds it there."""
    assert native.library(DNC, torch.float32, N=11, W=7, R=3) is not None
    (compiled,) = (tmp_path / "engram").glob("*.so")
    native.build.cache_clear()
    return compiled


@needs_a_compiler
def test_every_flipped_bit_is_noticed(monkeypatch, tmp_path):
    compiled = compiled_file(tmp_path)
    whole = compiled.read_bytes()
    assert cache.is_whole(compiled)
    draw = random.Random(3)
    for _ in range(100):
        place = draw.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        compiled.write_bytes(flipped)
        assert not cache.is_whole(compiled), f"byte {place} of {len(whole)}"
    # A file of its own: one that is loaded must not change under the process.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    other = tmp_path / "other" / "engram" / compiled.name
    other.parent.mkdir(parents=True)
    other.write_bytes(flipped)
    other.chmod(0o700)
    assert native.library(DNC, torch.float32, N=11, W=7, R=3) is not None
    assert cache.is_whole(other)


@needs_a_compiler
@pytest.mark.parametrize("what", ["folder", "file"])
def test_nothing_is_run_that_others_may_write_to(tmp_path, what):
    compiled = compiled_file(tmp_path)
    (compiled if what == "file" else compiled.parent).chmod(0o777)
    with pytest.warns(UserWarning, match=r"can be written to by others, and code is run from there: chmod go-w"):
        assert native.library(DNC, torch.float32, N=11, W=7, R=3) is None


@needs_a_compiler
def test_nothing_is_run_that_is_of_another_user(monkeypatch, tmp_path):
    compiled_file(tmp_path)
    monkeypatch.setattr(cache.os, "getuid", lambda: 54321)
    monkeypatch.setattr(cache.Path, "stat", lambda path: os.stat_result((0o40700, 0, 0, 0, 12345, 0, 0, 0, 0, 0)))
    with pytest.warns(UserWarning, match="is of another user: code is run from there"):
        assert native.library(DNC, torch.float32, N=11, W=7, R=3) is None


def test_a_relative_cache_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cache.folder() == tmp_path / ".cache" / "engram"
    assert not (tmp_path / "here").exists()


def test_drafts_that_a_killed_process_left_are_removed(tmp_path):
    old, new = (tmp_path / "engram" / name for name in ("draft-old", "draft-new"))
    for draft in (old, new):
        draft.mkdir(parents=True)
    os.utime(old, (0, 0))
    cache.folder()
    assert not old.exists()
    assert new.exists()


@pytest.mark.skipif(os.name != "posix", reason="a shell is needed")
def test_a_compiler_that_hangs_is_ended_with_its_children(monkeypatch, tmp_path):
    pid = tmp_path / "pid"
    hanging = tmp_path / "cc"
    hanging.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {pid}\nwait\n")
    hanging.chmod(0o700)
    monkeypatch.setenv("CC", str(hanging))
    monkeypatch.setattr(native, "_SECONDS", 0.5)
    with pytest.warns(UserWarning, match=r"could not be compiled, the slower step in torch is taken: .*timed out"):
        assert native.library(DNC, torch.float32, N=11, W=7, R=3) is None
    child = int(pid.read_text())
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        state = Path(f"/proc/{child}/stat")
        if (
            state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z"
        ):  # nobody has asked for its end yet
            break
        time.sleep(0.05)
    else:
        pytest.fail("the compiler's child goes on")
