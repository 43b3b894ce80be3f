"""Attention to events in C beside its definition, forward and backward."""

import os
import shutil

import pytest
import torch

from engram.memory.episodic.attend import definition, native
from engram.memory.episodic.attend.definition import Events, Learned
from engram.memory.episodic.reach import Reach
from engram.memory.native import build

IN_C = shutil.which("cc") is not None and os.environ.get("ENGRAM_NATIVE") != "0"
needs_a_compiler = pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
AGES, TABLE = 19, 23
SIZES = [
    (3, 7, 11, 2, 5, 13),
    (2, 1, 37, 2, 5, 13),
    (2, 13, 3, 2, 5, 13),
    (2, 33, 97, 4, 32, 32),
    (5, 1, 64, 4, 32, 32),
]
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)  # B, T, M, R, W, V


def inputs(sizes, dtype=torch.float64, has_index=True, has_step=True):
    """Queries, events, reach and what is learned.

    Candidate 1 of all rows and all of the last row are never alive. Many gates are equal: several are the most open.
    """
    batch, time, number, heads, key_size, value_size = sizes
    torch.manual_seed(batch * time)

    def random(*shape):
        return torch.randn(*shape, dtype=dtype)

    projected = random(TABLE if has_index else batch * number, heads * (key_size + value_size) + 1)
    projected[:, -1] = projected[:, -1].round()
    index = torch.randint(0, TABLE - 1, (batch, number)) if has_index else None
    alive = torch.rand(batch, time, number) < 0.6
    alive[:, :, 1] = alive[-1] = False
    alive[0, 0, 0] = True
    age = torch.randint(0, AGES, alive.shape).to(torch.uint8)
    reach = Reach(alive, age, (torch.rand(alive.shape, dtype=dtype) * 5).log())
    of_step = random(batch, number, heads * key_size) if has_step else None
    learned = Learned(random(AGES, heads), random(heads), random(heads, key_size), random(heads, value_size))
    return random(time, batch, heads * key_size), Events(projected, index, of_step), reach, learned


def outcome(attend, queries, events, reach, learned):
    """Results, and the gradients of all that has one."""
    place = events.place
    given = [queries, events.projected, events.of_step, *learned]
    given = [None if tensor is None else tensor.detach().requires_grad_() for tensor in given]
    queries, projected, of_step, *learned = given
    found = attend(queries, Events(projected, place, of_step), reach, Learned(*learned))
    assert not found.weights.requires_grad
    pulls = [torch.linspace(-1, 2, part.numel(), dtype=part.dtype).view(part.shape).sin() for part in found[:2]]
    gradients = torch.autograd.grad(found[:2], [tensor for tensor in given if tensor is not None], pulls)
    return [*found, *gradients]


def assert_equal(results, expected, tolerance):
    for one, other in zip(results, expected, strict=True):
        assert one.shape == other.shape
        assert torch.isfinite(one).all()
        assert (one - other).abs().max() <= tolerance * max(1.0, other.abs().max().item())


@pytest.fixture
def _only_in_c(monkeypatch):
    def refused(*_):
        raise AssertionError("left to torch")

    monkeypatch.setattr(native.definition, "attend", refused)


@needs_a_compiler
@every_size
@pytest.mark.parametrize("has_step", [True, False])
@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_equals_its_definition(sizes, has_step, has_index, dtype, monkeypatch):
    given = inputs(sizes, dtype, has_index, has_step)
    expected = outcome(definition.attend, *given)
    monkeypatch.setattr(native.definition, "attend", None)
    assert_equal(outcome(native.attend, *given), expected, TOLERANCE[dtype])
    with torch.no_grad():
        assert_equal(native.attend(*given), expected[:3], TOLERANCE[dtype])


@needs_a_compiler
@every_size
@pytest.mark.parametrize("has_step", [True, False])
def test_what_is_never_alive_does_not_matter(sizes, has_step):
    queries, events, reach, learned = inputs(sizes, has_index=False, has_step=has_step)
    expected = outcome(definition.attend, queries, events, reach, learned)
    dead = ~reach.alive.any(1)
    assert dead.any()
    spoilt = events._replace(projected=events.projected.masked_fill(dead.view(-1, 1), torch.nan))
    if has_step:
        spoilt = spoilt._replace(of_step=events.of_step.masked_fill(dead.unsqueeze(2), torch.nan))
    duplicates = reach.log_duplicates.masked_fill(~reach.alive, torch.nan)
    spoilt_reach = reach._replace(log_duplicates=duplicates, age=reach.age.masked_fill(~reach.alive, 0))
    assert_equal(outcome(native.attend, queries, spoilt, spoilt_reach, learned), expected, 1e-9)


@needs_a_compiler
@every_size
@pytest.mark.parametrize("what", ["query", "key", "gate"])
def test_what_is_not_a_number_shows(sizes, what):
    queries, events, reach, learned = inputs(sizes, has_index=False)
    if what == "query":
        queries[0, 0] = torch.nan
    else:
        events.projected[0, 0 if what == "key" else -1] = torch.nan
    for attend in (definition.attend, native.attend):
        found = attend(queries, events, reach, learned)
        assert found.null[0, 0].isnan().any()
        assert not found.null[:, 1:].isnan().any()


@needs_a_compiler
@pytest.mark.usefixtures("_only_in_c")
def test_gradients_that_are_views_are_read_right():
    queries, events, reach, learned = inputs(SIZES[0])
    queries.requires_grad_()
    found = native.attend(queries, events, reach, learned)
    (expected,) = torch.autograd.grad(
        [found.contents, found.null], queries, [torch.ones_like(part) for part in found[:2]]
    )
    found = native.attend(queries.transpose(0, 1).contiguous().transpose(0, 1), events, reach, learned)
    (gradient,) = torch.autograd.grad(found.contents.sum() + found.null.sum(), queries)
    assert torch.allclose(gradient, expected, atol=1e-12)


@needs_a_compiler
@pytest.mark.parametrize("wrong", [-1, TABLE])
def test_an_index_that_names_no_event_is_an_error(wrong):
    queries, events, reach, learned = inputs(SIZES[0])
    events.place[2, 10] = wrong
    with pytest.raises(IndexError, match="names one that is not there"):
        native.attend(queries, events, reach, learned)


@pytest.mark.parametrize("switched_off", [True, False])
def test_what_the_c_code_does_not_take_is_left_to_torch(monkeypatch, switched_off):
    given = queries, events, reach, learned = inputs(SIZES[0], torch.float32)
    if switched_off:
        monkeypatch.setenv("ENGRAM_NATIVE", "0")
        build.build.cache_clear()
    else:
        given = queries, events, reach._replace(age=reach.age.long()), learned
    results = native.attend(*given)
    build.build.cache_clear()
    for one, other in zip(results, definition.attend(*given), strict=True):
        assert torch.equal(one, other)


def test_the_path_is_reported():
    on_cpu, elsewhere = torch.empty(2, 5), torch.empty(2, 5, device="meta")
    assert native.path(elsewhere, elsewhere) == "fused"
    if IN_C:
        assert native.path(on_cpu.bfloat16(), on_cpu.bfloat16()) == "fused: no C code for torch.bfloat16"
        assert native.path(on_cpu, on_cpu) == "native"
