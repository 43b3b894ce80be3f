"""Controllers against torch's own cells, and their fast paths against the naive loop."""

import pytest
import torch
from cores import CONTROLLER_SIZES
from torch import nn

from engram.memory import CONTROLLERS, tree_map
from engram.memory.controllers.feedforward import FeedForward
from engram.memory.controllers.gru.definition import GRU
from engram.memory.controllers.gru.fused import fused_gru
from engram.memory.controllers.lstm.definition import LSTM, LSTMState
from engram.memory.controllers.lstm.fused import fused_lstm
from engram.memory.state import leaves

TIME, BATCH, INPUTS, HIDDEN = 11, 3, 5, 7


def random_starts(probability=0.25):
    starts = torch.rand(TIME, BATCH) < probability
    starts[0, 1] = starts[4, 0] = starts[5, 0] = starts[-1, 2] = True
    return starts


def no_starts():
    return torch.zeros(TIME, BATCH, dtype=torch.bool)


def reordered(weight, order):
    """Gates in the order that torch keeps them."""
    gates = weight.detach().chunk(4)
    return torch.cat([gates[i] for i in order])


def test_the_lstm_is_torchs_lstm():
    ours = LSTM(INPUTS, HIDDEN)
    nn.init.normal_(ours.from_input.bias)
    theirs = nn.LSTM(INPUTS, HIDDEN)
    with torch.no_grad():
        # Ours: input, forget, output, candidate. Theirs: input, forget, candidate, output.
        theirs.weight_ih_l0.copy_(reordered(ours.from_input.weight, [0, 1, 3, 2]))
        theirs.weight_hh_l0.copy_(reordered(ours.from_hidden.weight, [0, 1, 3, 2]))
        theirs.bias_ih_l0.copy_(reordered(ours.from_input.bias, [0, 1, 3, 2]))
        theirs.bias_hh_l0.zero_()
    inputs, hidden, cell = torch.randn(TIME, BATCH, INPUTS), torch.randn(BATCH, HIDDEN), torch.randn(BATCH, HIDDEN)
    outputs, state = ours(inputs, LSTMState(hidden, cell), no_starts())
    expected, (last_hidden, last_cell) = theirs(inputs, (hidden.unsqueeze(0), cell.unsqueeze(0)))
    assert torch.allclose(outputs, expected, atol=1e-6)
    assert torch.allclose(state.hidden, last_hidden[0], atol=1e-6)
    assert torch.allclose(state.cell, last_cell[0], atol=1e-6)


def test_the_gru_is_torchs_gru():
    ours = GRU(INPUTS, HIDDEN)
    nn.init.normal_(ours.from_input.bias)
    nn.init.normal_(ours.from_hidden.bias)
    theirs = nn.GRU(INPUTS, HIDDEN)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.from_input.weight)
        theirs.weight_hh_l0.copy_(ours.from_hidden.weight)
        theirs.bias_ih_l0.copy_(ours.from_input.bias)
        theirs.bias_hh_l0.copy_(ours.from_hidden.bias)
    inputs, hidden = torch.randn(TIME, BATCH, INPUTS), torch.randn(BATCH, HIDDEN)
    outputs, state = ours(inputs, hidden, no_starts())
    expected, last = theirs(inputs, hidden.unsqueeze(0))
    assert torch.allclose(outputs, expected, atol=1e-6)
    assert torch.allclose(state, last[0], atol=1e-6)


@pytest.mark.parametrize("starts", [no_starts(), random_starts(), ~no_starts()], ids=["none", "some", "all"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("name", CONTROLLERS)
@pytest.mark.parametrize("in_c", [True, False], ids=["in C", "in torch"])
def test_the_fast_path_equals_the_loop_forward_and_backward(name, starts, dtype, tolerance, in_c, monkeypatch):
    for each in () if in_c else ("lstm", "gru"):
        monkeypatch.setattr(f"engram.memory.controllers.{each}.native.library", lambda *args: None)
    controller = CONTROLLERS[name](INPUTS, HIDDEN, **CONTROLLER_SIZES.get(name, {})).to(dtype)
    inputs = torch.randn(TIME, BATCH, INPUTS, dtype=dtype, requires_grad=True)
    carried = controller(torch.randn(9, BATCH, INPUTS, dtype=dtype), controller.initial_state(BATCH), starts[:9])[1]
    state = tree_map(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), carried)
    mixing = torch.randn(TIME, BATCH, HIDDEN, dtype=dtype)

    def outcome(run):
        outputs, after = run(controller.from_input(inputs), state, starts)
        floats = [leaf for leaf in leaves(after) if leaf.is_floating_point()]
        loss = (outputs * mixing).sum() + sum(leaf.square().sum() for leaf in floats)
        wanted = [inputs, *(leaf for leaf in leaves(state) if leaf.requires_grad), *controller.parameters()]
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        return [outputs, *leaves(after), *gradients]

    for fast, looped in zip(outcome(controller.run), outcome(controller.run_naive), strict=True):
        assert torch.allclose(fast, looped, atol=tolerance, rtol=tolerance)


def test_the_fused_gradients_are_the_numerical_ones():
    def random(*shape):
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    starts = torch.tensor([[False, True], [False, False], [True, False], [False, False]])
    begins = starts.any(1).tolist()
    lstm = [random(4, 2, 12), random(12, 3), *(random(2, 3) for _ in range(4))]
    assert torch.autograd.gradcheck(lambda *tensors: fused_lstm(*tensors, starts, begins), lstm)
    gru = [random(4, 2, 9), random(9, 3), random(9), random(2, 3), random(2, 3)]
    assert torch.autograd.gradcheck(lambda *tensors: fused_gru(*tensors, starts, begins), gru)


def test_a_gradient_of_the_last_cell_alone_is_enough():
    lstm = LSTM(INPUTS, HIDDEN)
    _, state = lstm(torch.randn(TIME, BATCH, INPUTS), lstm.initial_state(BATCH), no_starts())
    state.cell.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in lstm.parameters())


def test_forget_gates_start_open():
    lstm = LSTM(INPUTS, HIDDEN)
    state = LSTMState(torch.zeros(BATCH, HIDDEN), torch.ones(BATCH, HIDDEN))
    _, after = lstm(torch.zeros(1, BATCH, INPUTS), state, no_starts()[:1])
    assert torch.allclose(after.cell, torch.sigmoid(torch.tensor(1.0)).expand(BATCH, HIDDEN))


def test_the_memoryless_control_sees_one_step_only():
    control = FeedForward(INPUTS, HIDDEN)
    inputs = torch.randn(TIME, BATCH, INPUTS)
    outputs, state = control(inputs, control.initial_state(BATCH), random_starts())
    order = torch.randperm(TIME)
    shuffled, _ = control(inputs[order], (), random_starts())
    assert state == ()
    assert torch.allclose(shuffled, outputs[order], atol=1e-6)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_huge_inputs_give_finite_values_and_gradients(name):
    controller = CONTROLLERS[name](INPUTS, HIDDEN, **CONTROLLER_SIZES.get(name, {}))
    inputs = (1e4 * torch.randn(TIME, BATCH, INPUTS)).requires_grad_()
    outputs, _ = controller(inputs, controller.initial_state(BATCH), random_starts())
    outputs.sum().backward()
    assert torch.isfinite(outputs).all()
    assert torch.isfinite(inputs.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in controller.parameters())


@pytest.mark.parametrize("name", CONTROLLERS)
def test_an_empty_controller_is_refused(name):
    with pytest.raises(ValueError, match=r"hidden_size=0 must be .*at least 1"):
        CONTROLLERS[name](INPUTS, 0)
