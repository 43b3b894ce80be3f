"""LSTM and GRU in C, held to the naive loop forward and backward, over sizes that fill no vector and many."""

import platform
import shutil

import pytest
import torch

from engram.memory import tree_map
from engram.memory.controllers.gru import native as native_gru
from engram.memory.controllers.gru.definition import GRU
from engram.memory.controllers.lstm import native as native_lstm
from engram.memory.controllers.lstm.definition import LSTM
from engram.memory.native import build as native
from engram.memory.state import leaves

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here: nothing in C is tested")

INPUTS = 5
SIZES = [(11, 3, 7), (1, 1, 1), (2, 9, 5), (5, 17, 16), (3, 8, 33), (7, 2, 130), (4, 67, 31), (3, 5, 64)]  # T, B, H
TYPES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]
PATTERNS = ["none", "first", "last", "some", "all"]
both = pytest.mark.parametrize("controller", [LSTM, GRU])


def episode_starts(pattern, time, batch):
    starts = torch.zeros(time, batch, dtype=torch.bool)
    if pattern == "first":
        starts[0, batch // 2] = True
    elif pattern == "last":
        starts[-1, 0] = starts[-1, -1] = True
    elif pattern == "some":
        starts = torch.rand(time, batch) < 0.3
        starts[time // 2 :, batch - 1][:2] = True  # an episode of one step
    elif pattern == "all":
        starts[:] = True
    return starts


def made(controller, hidden_size, dtype):
    """A controller whose initial state is a parameter, one for all rows; and that parameter."""
    torch.manual_seed(3)
    own = controller(INPUTS, hidden_size).to(dtype)
    start = tree_map(lambda leaf: torch.randn_like(leaf[0]).requires_grad_(), own.initial_state(1))
    own.initial_state = lambda size: tree_map(lambda leaf: leaf.expand(size, -1), start)
    return own, list(leaves(start))


def carried(own, batch):
    return tree_map(lambda leaf: torch.randn_like(leaf.contiguous()).requires_grad_(), own.initial_state(batch))


def outcome(own, run, inputs, state, starts, start):
    """Outputs, state, and the gradients of inputs, carried state, parameters, and the initial state."""
    outputs, after = run(own.from_input(inputs), state, starts)
    mixing = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(5)).to(outputs.dtype)
    loss = (outputs * mixing).sum() + sum(leaf.square().sum() for leaf in leaves(after))
    wanted = [inputs, *leaves(state), *own.parameters(), *start]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [outputs, *leaves(after), *gradients]


def assert_equal(results, expected, tolerance):
    for one, other in zip(results, expected, strict=True):
        assert one.shape == other.shape
        scale = max(1.0, other.abs().max().item())
        assert torch.allclose(one, other, atol=tolerance * scale, rtol=0)


@both
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_sequence_in_c_equals_the_naive_loop_forward_and_backward(controller, sizes, pattern, dtype, tolerance):
    time, batch, hidden_size = sizes
    own, start = made(controller, hidden_size, dtype)
    assert own.path() == "native"
    inputs = torch.randn(time, batch, INPUTS, dtype=dtype, requires_grad=True)
    rest = (inputs, carried(own, batch), episode_starts(pattern, time, batch), start)
    assert_equal(outcome(own, own.run, *rest), outcome(own, own.run_naive, *rest), tolerance)


@both
def test_it_is_the_c_code_that_was_tested(controller, monkeypatch):
    own, start = made(controller, 7, torch.float64)
    used = []
    for module, name in ((native_lstm, "_NativeLSTM"), (native_gru, "_NativeGRU")):
        function = getattr(module, name)
        monkeypatch.setattr(function, "apply", lambda *given, apply=function.apply: used.append(1) or apply(*given))
    inputs = torch.randn(11, 3, INPUTS, dtype=torch.float64, requires_grad=True)
    outcome(own, own.run, inputs, carried(own, 3), episode_starts("some", 11, 3), start)
    assert used == [1]


@both
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("pattern", ["none", "first", "all"])
def test_a_step_without_a_graph_equals_the_definition(controller, pattern, dtype, tolerance):
    own, _ = made(controller, 33, dtype)
    inputs, starts = torch.randn(1, 5, INPUTS, dtype=dtype), episode_starts(pattern, 1, 5)
    with torch.no_grad():
        projected, state = own.from_input(inputs), carried(own, 5)
        (outputs, after), (expected, expected_after) = (
            run(projected, state, starts) for run in (own.run, own.run_naive)
        )
    assert_equal([outputs, *leaves(after)], [expected, *leaves(expected_after)], tolerance)


@both
@pytest.mark.parametrize("time", [1, 6])
@pytest.mark.parametrize("with_graph", [False, True])
def test_arrays_need_not_lie_as_c_expects_them(controller, time, with_graph):
    own, _ = made(controller, 7, torch.float64)
    weight = own.from_hidden.weight
    weight.data = weight.data.t().contiguous().t()
    state = tree_map(lambda leaf: leaf.detach().t().contiguous().t().requires_grad_(), carried(own, 3))
    starts = episode_starts("some", 3, time).t()
    projected = torch.randn(3, time, own.projected_size, dtype=torch.float64).transpose(0, 1).requires_grad_()
    assert not any(tensor.is_contiguous() for tensor in (weight, *leaves(state)))
    assert time == 1 or not (projected.is_contiguous() or starts.is_contiguous())

    def results(run):
        outputs, after = run(projected, state, starts)
        if not with_graph:
            return [outputs, *leaves(after)]
        loss = outputs.sum() + sum(leaf.sum() for leaf in leaves(after))  # whose gradients are one number in all places
        return [outputs, *torch.autograd.grad(loss, [projected, weight, *leaves(state)])]

    with torch.set_grad_enabled(with_graph):
        assert_equal(results(own.run), results(own.run_naive), 1e-12)


@both
def test_the_graph_may_be_walked_twice(controller):
    own, start = made(controller, 7, torch.float64)
    inputs = torch.randn(6, 3, INPUTS, dtype=torch.float64, requires_grad=True)
    outputs, _ = own(inputs, carried(own, 3), episode_starts("some", 6, 3))
    wanted = [inputs, *own.parameters(), *start]
    first, second = (torch.autograd.grad(outputs.square().sum(), wanted, retain_graph=True) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@both
def test_what_is_not_a_number_stays_in_its_row_and_ends_with_its_episode(controller):
    own, start = made(controller, 7, torch.float32)
    inputs, starts = torch.randn(6, 9, INPUTS), episode_starts("none", 6, 9)
    starts[4, 8] = True
    state = carried(own, 9)
    with torch.no_grad():
        for leaf in leaves(state):
            leaf[8] = float("nan")
    outputs, after = own(inputs, state, starts)
    assert torch.isnan(outputs[:4, 8]).all()
    assert torch.isfinite(outputs[:, :8]).all()
    assert torch.isfinite(outputs[4:]).all()
    assert all(torch.isfinite(leaf).all() for leaf in leaves(after))
    gradients = torch.autograd.grad(outputs[4:].sum(), [*leaves(state), *start])
    assert all(torch.isfinite(gradient).all() for gradient in gradients[len(start) :])


@both
def test_rows_depend_on_themselves_alone_to_the_last_bit(controller):
    own, _ = made(controller, 33, torch.float32)
    inputs, starts, state = torch.randn(6, 19, INPUTS), episode_starts("some", 6, 19), carried(own, 19)
    projected = own.from_input(inputs)
    outputs, _ = own.run(projected, state, starts)
    for rows in (slice(0, 1), slice(3, 10), slice(16, 19)):
        alone, _ = own.run(projected[:, rows], tree_map(lambda leaf, rows=rows: leaf[rows], state), starts[:, rows])
        assert torch.equal(alone, outputs[:, rows])


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have other widths")
@both
@pytest.mark.parametrize("options", ["-mno-avx512f", "-mno-avx"])
def test_narrower_vectors_give_the_same(controller, options, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", f"cc {options}")
    native.build.cache_clear()
    try:
        for dtype, tolerance in TYPES:
            own, start = made(controller, 13, dtype)
            assert own.path() == "native"
            inputs = torch.randn(7, 11, INPUTS, dtype=dtype, requires_grad=True)
            rest = (inputs, carried(own, 11), episode_starts("some", 7, 11), start)
            assert_equal(outcome(own, own.run, *rest), outcome(own, own.run_naive, *rest), tolerance)
    finally:
        native.build.cache_clear()


ODD = {
    "projected of another type": lambda given: [given[0].float(), *given[1:]],
    "projected of another size": lambda given: [given[0][..., :-1], *given[1:]],
    "a weight of another size": lambda given: [given[0], given[1][:-1], *given[2:]],
    "a state of fewer rows": lambda given: [*given[:-2], given[-2][:1], given[-1]],
    "starts of fewer steps": lambda given: [*given[:-1], given[-1][:-1]],
    "starts that are numbers": lambda given: [*given[:-1], given[-1].double()],
    "another device": lambda given: [tensor.to("meta") for tensor in given],
}


@both
@pytest.mark.parametrize("odd", ODD)
def test_what_c_does_not_expect_is_left_to_torch(controller, odd):
    own, _ = made(controller, 7, torch.float64)
    state = carried(own, 3)
    bias = [own.from_hidden.bias] if controller is GRU else []
    module = native_gru if controller is GRU else native_lstm
    projected = torch.randn(6, 3, own.projected_size, dtype=torch.float64)
    given = [projected, own.from_hidden.weight, *bias, *leaves(state), *leaves(state), episode_starts("some", 6, 3)]
    assert module._library(*given) is not None
    assert module._library(*ODD[odd](given)) is None
