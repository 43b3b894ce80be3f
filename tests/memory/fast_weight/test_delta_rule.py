"""The gated delta rule: the loop against the papers' formula, the chunks against the loop, no way between episodes."""

from itertools import product

import pytest
import torch

from engram.memory.fast_weight import memory
from engram.memory.fast_weight.chunk import delta_chunks
from engram.memory.fast_weight.memory import delta_rule
from engram.memory.fast_weight.naive import DeltaSteps, delta_loop

BATCH, HEADS, KEY, VALUE = 3, 2, 5, 7
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
SCANS = pytest.mark.parametrize("scan", [delta_loop, delta_rule])


def steps_of(length, dtype=torch.float32, batch=BATCH):
    def numbers(*last):
        return torch.randn(length, batch, HEADS, *last, dtype=dtype)

    def unit(vectors):
        return vectors / vectors.norm(dim=-1, keepdim=True)

    strengths, log_decays = torch.sigmoid(2 * numbers()), -0.3 * numbers().square()
    return DeltaSteps(unit(numbers(KEY)), unit(numbers(KEY)), numbers(VALUE), strengths, log_decays)


def weights_of(dtype=torch.float32):
    return torch.randn(BATCH, HEADS, VALUE, KEY, dtype=dtype)


def starts_at(length, *when):
    starts = torch.zeros(length, BATCH, dtype=torch.bool)
    for time, row in when:
        starts[time, row] = True
    return starts


def staggered(length):
    starts = torch.rand(length, BATCH) < 0.15
    starts[:, 2] = False  # one row of a single episode
    return starts


def outcome(scan, steps, weights, starts, mixing):
    """Reads, weights, and the gradients of all that goes in."""
    inputs = [leaf.detach().requires_grad_() for leaf in (*steps, weights)]
    reads, after = scan(DeltaSteps(*inputs[:-1]), inputs[-1], starts)
    loss = (reads * mixing).sum() + after.square().sum()
    return [reads, after, *torch.autograd.grad(loss, inputs)]


def test_the_loop_is_the_formula():
    steps, weights, starts = steps_of(11, torch.float64), weights_of(torch.float64), staggered(11)
    reads, after = delta_loop(steps, weights, starts)
    for row in range(BATCH):
        for head in range(HEADS):
            matrix = weights[row, head]
            for t in range(11):
                query, key, value, strength, log_decay = (leaf[t, row, head] for leaf in steps)
                if starts[t, row]:
                    matrix = torch.zeros(VALUE, KEY, dtype=torch.float64)
                assert torch.allclose(reads[t, row, head], matrix @ query, atol=1e-12)
                forget = torch.eye(KEY, dtype=torch.float64) - strength * torch.outer(key, key)
                matrix = log_decay.exp() * matrix @ forget + strength * torch.outer(value, key)
            assert torch.allclose(after[row, head], matrix, atol=1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "fp64"])
@pytest.mark.parametrize("length", [1, 2, 11, 77, 128])
@pytest.mark.parametrize("chunk_length", [1, 5, 32])
def test_chunks_equal_the_loop(dtype, length, chunk_length):
    mixing = torch.randn(length, BATCH, HEADS, VALUE, dtype=dtype)
    given = (steps_of(length, dtype), weights_of(dtype), staggered(length), mixing)
    looped = outcome(delta_loop, *given)
    chunked = outcome(lambda *inputs: delta_chunks(*inputs, chunk_length=chunk_length), *given)
    for one, other in zip(chunked, looped, strict=True):
        assert one.shape == other.shape
        assert one.dtype == dtype
        assert torch.allclose(one, other, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("pattern", [[], [(0, 0), (0, 1), (0, 2)], [(10, 0), (0, 1), (1, 1), (2, 1), (5, 2)]])
def test_they_are_equal_wherever_an_episode_starts(pattern):
    mixing = torch.randn(11, BATCH, HEADS, VALUE, dtype=torch.float64)
    given = (steps_of(11, torch.float64), weights_of(torch.float64), starts_at(11, *pattern), mixing)
    for one, other in zip(outcome(delta_rule, *given), outcome(delta_loop, *given), strict=True):
        assert torch.allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("decay", [-1e30, -1e4, -50.0, -1e-7, 0.0])
def test_they_are_equal_for_any_decay(decay):
    """The inverse of what is left over a chunk would overflow, and a sum in log space drown what comes after."""
    steps = steps_of(64)
    steps.log_decays[1::3] = decay
    given = (steps, weights_of(), staggered(64), torch.randn(64, BATCH, HEADS, VALUE))
    for one, other in zip(outcome(delta_rule, *given), outcome(delta_loop, *given), strict=True):
        assert one.isfinite().all()
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_they_are_equal_for_one_key_again_and_again():
    """The worst case of the triangular system: every step replaces the whole of what the one before has written."""
    steps = steps_of(64)
    key = steps.keys[:1].expand_as(steps.keys)
    steps = steps._replace(
        keys=key, queries=key, strengths=torch.ones(64, BATCH, HEADS), log_decays=torch.zeros(64, BATCH, HEADS)
    )
    given = (steps, weights_of(), starts_at(64), torch.randn(64, BATCH, HEADS, VALUE))
    looped, chunked = outcome(delta_loop, *given), outcome(delta_rule, *given)
    for one, other in zip(chunked, looped, strict=True):
        assert (one - other).abs().max() <= 1e-5 * max(1.0, other.abs().max().item())
    assert torch.allclose(chunked[0][1:], steps.values[:-1], atol=1e-5)  # the last value, from the next step on


@SCANS
@pytest.mark.parametrize(
    ("part", "number"),
    [
        *product([*DeltaSteps._fields, "weights"], [torch.nan, torch.inf]),
        *product(["queries", "values", "log_decays", "weights"], [1e30]),  # keys and strengths are bounded
    ],
)
def test_garbage_ends_with_its_episode(scan, part, number):
    """Within one chunk; with garbage of row 0 in any of the inputs."""
    steps, weights, starts = steps_of(11), weights_of(), starts_at(11, (4, 0), (7, 1))
    clean, clean_after = scan(steps, weights, starts)
    steps, weights = DeltaSteps(*(leaf.clone() for leaf in steps)), weights.clone()
    if part == "weights":
        weights[0] = number
    else:
        getattr(steps, part)[1:4, 0] = -number if part == "log_decays" else number
    reads, after = scan(steps, weights, starts)
    assert (reads[3, 0] - clean[3, 0]).abs().max().nan_to_num(10.0) > 1e-3
    assert torch.allclose(reads[4:, 0], clean[4:, 0], atol=1e-6)
    assert torch.allclose(reads[:, 1:], clean[:, 1:], atol=1e-6)
    assert torch.allclose(after, clean_after, atol=1e-6)


@SCANS
@pytest.mark.parametrize("number", [torch.nan, torch.inf, 1e30])
def test_garbage_of_an_ended_episode_has_no_gradient(scan, number):
    steps, weights, starts = steps_of(11), weights_of(), starts_at(11, (0, 0), (7, 1))
    weights[0] = number
    *_, of_weights = found = outcome(scan, steps, weights, starts, torch.randn(11, BATCH, HEADS, VALUE))
    assert all(part.isfinite().all() for part in found)
    assert of_weights[0].abs().max() == 0
    assert of_weights[1:].abs().max() > 0


@SCANS
def test_no_gradient_comes_from_the_future_nor_from_another_episode_or_row(scan):
    """Exactly none: not even a rounding error."""
    inputs = [leaf.requires_grad_() for leaf in (*steps_of(11), weights_of())]
    reads, _ = scan(DeltaSteps(*inputs[:-1]), inputs[-1], starts_at(11, (4, 0), (9, 0), (2, 1)))
    *of_steps, of_weights = torch.autograd.grad(reads[7, 0].sum(), inputs)
    assert of_weights.abs().max() == 0
    for name, gradient in zip(DeltaSteps._fields, of_steps, strict=True):
        felt = gradient.flatten(2).abs().sum(2) > 0
        allowed = torch.zeros_like(felt)
        allowed[7 if name == "queries" else slice(4, 7), 0] = True
        if name == "log_decays":
            allowed[4, 0] = False  # nothing was there to decay
            felt[4, 0] = False
        assert torch.equal(felt, allowed), name


def test_what_is_finite_is_left_to_the_chunks(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "delta_loop", lambda *given: calls.append(given) or delta_loop(*given))
    weights, starts = weights_of(), starts_at(11, (0, 0))
    weights[0] = torch.nan  # gone before anything is asked
    delta_rule(steps_of(11), weights, starts)
    assert not calls
    weights[1] = torch.nan
    delta_rule(steps_of(11), weights, starts)
    assert len(calls) == 1


def test_a_single_step_solves_nothing(monkeypatch):
    monkeypatch.setattr(torch.linalg, "solve_triangular", None)
    reads, _ = delta_rule(steps_of(1), weights_of(), starts_at(1, (0, 1)))
    assert reads.shape == (1, BATCH, HEADS, VALUE)


def test_inputs_are_left_alone():
    steps, weights, starts = steps_of(11), weights_of(), staggered(11)
    kept = [leaf.clone() for leaf in (*steps, weights, starts)]
    delta_rule(steps, weights, starts)
    assert all(torch.equal(*pair) for pair in zip((*steps, weights, starts), kept, strict=True))
