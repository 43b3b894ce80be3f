"""What a subclass of a controller overrides holds on the fast paths, too: its initial state, and its own step."""

import pytest
import torch
from cores import BATCH, ENCODED, STARTS, TIME, EventEncoder, episode_starts, events
from torch import nn

from engram.memory import Core, tree_map
from engram.memory.controllers.gru.definition import GRU
from engram.memory.controllers.lstm.definition import LSTM, LSTMState
from engram.memory.feedback.loop import FeedbackLoop
from engram.memory.state import leaves

HIDDEN, INPUTS = 7, 5


class LearnedLSTM(LSTM):
    """Starts every episode with what it has learned."""

    def __init__(self, input_size, hidden_size=HIDDEN):
        super().__init__(input_size, hidden_size)
        self.start = nn.Parameter(torch.randn(2, hidden_size))

    def initial_state(self, batch_size):
        return LSTMState(*(start.expand(batch_size, -1) for start in self.start))


class LearnedGRU(GRU):
    """Starts every episode with what it has learned."""

    def __init__(self, input_size, hidden_size=HIDDEN):
        super().__init__(input_size, hidden_size)
        self.start = nn.Parameter(torch.randn(hidden_size))

    def initial_state(self, batch_size):
        return self.start.expand(batch_size, -1)


class TwiceLSTM(LSTM):
    """Has a step of its own."""

    def step(self, projected, state):
        hidden, state = super().step(projected, state)
        return 2 * hidden, state


class TwiceGRU(GRU):
    """Has a step of its own."""

    def step(self, projected, state):
        hidden, state = super().step(projected, state)
        return 2 * hidden, state


def outcome(run, wanted, before, mixing):
    """Outputs, final state, and the gradients of everything wanted; None where nothing leads."""
    outputs, after = run(before)
    loss = (outputs * mixing).sum() + sum(leaf.square().sum() for leaf in leaves(after) if leaf.requires_grad)
    gradients = torch.autograd.grad(loss, [*wanted, *leaves(before)], allow_unused=True)
    return [outputs, *leaves(after)], gradients


def assert_equal_outcomes(one, other, tolerance):
    for a, b in zip(one[0] + list(one[1]), other[0] + list(other[1]), strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.allclose(a, b, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("controller", [LearnedLSTM, LearnedGRU])
@pytest.mark.parametrize("pattern", STARTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_learned_initial_state_holds_on_the_fused_path_with_its_gradient(controller, pattern, dtype, tolerance):
    made = controller(INPUTS).to(dtype)
    assert not made.path().startswith("naive")
    inputs, starts = torch.randn(TIME, BATCH, INPUTS, dtype=dtype), episode_starts(pattern)
    before = tree_map(lambda leaf: torch.randn_like(leaf).requires_grad_(), made.initial_state(BATCH))
    mixing = torch.randn(TIME, BATCH, HIDDEN, dtype=dtype)
    wanted = [made.start, *(parameter for parameter in made.parameters() if parameter is not made.start)]

    fused, naive = (
        outcome(lambda state, run=run: run(made.from_input(inputs), state, starts), wanted, before, mixing)
        for run in (made.run, made.run_naive)
    )

    of_start = fused[1][0]
    if pattern == "none":  # the naive loop has a gradient of zero there
        assert of_start is None
        fused = (fused[0], (torch.zeros_like(made.start), *fused[1][1:]))
    else:
        assert (of_start.abs() > 1e-3).all()
    assert_equal_outcomes(fused, naive, tolerance)


@pytest.mark.parametrize("memory", ["ntm", "dnc"])
@pytest.mark.parametrize("pattern", STARTS)
def test_a_learned_initial_state_holds_in_the_fused_loop_with_its_gradient(memory, pattern, monkeypatch):
    event = tree_map(lambda leaf: leaf[0, :1], events(1, 1))
    core = Core(EventEncoder(), event, ENCODED, LearnedLSTM, memory, {}, {"slots": 5, "word_size": 3}).double()
    assert core.paths()["feedback loop"] in ("fused", "native")
    sequence, starts = events(), episode_starts(pattern)
    before = tree_map(lambda leaf: leaf.detach().clone().requires_grad_(), core.initial_state(BATCH))
    mixing = torch.randn(TIME, BATCH, core.feature_size, dtype=torch.float64)
    wanted = [core.controller.start, *(one for one in core.parameters() if one is not core.controller.start)]

    def unroll(state):
        unrolled = core.unroll(sequence, state, starts)
        return unrolled.features, unrolled.state

    fused = outcome(unroll, wanted, before, mixing)
    monkeypatch.setattr(FeedbackLoop, "unroll", FeedbackLoop.unroll_naive)
    naive = outcome(unroll, wanted, before, mixing)
    assert_equal_outcomes(fused, naive, 1e-11)
    if pattern != "none":
        assert (fused[1][0].abs() > 1e-6).all()


@pytest.mark.parametrize("controller", [TwiceLSTM, TwiceGRU])
def test_a_step_of_its_own_is_taken(controller):
    made = controller(INPUTS, HIDDEN)
    inputs, starts = torch.randn(TIME, BATCH, INPUTS), episode_starts("staggered")
    state = made.initial_state(BATCH)
    outputs, _ = made(inputs, state, starts)
    expected, _ = made.run_naive(made.from_input(inputs), state, starts)
    assert torch.equal(outputs, expected)
    assert made.path() == f"naive: {controller.__name__} overrides step"


def test_a_step_of_its_own_is_taken_before_a_memory_with_feedback(monkeypatch):
    event = tree_map(lambda leaf: leaf[0, :1], events(1, 1))
    core = Core(EventEncoder(), event, ENCODED, TwiceLSTM, "ntm", {"hidden_size": HIDDEN}, {"slots": 5})
    sequence, starts, state = events(), episode_starts("staggered"), core.initial_state(BATCH)
    features = core.unroll(sequence, state, starts).features
    assert core.paths()["feedback loop"] == "naive: TwiceLSTM overrides step"
    monkeypatch.setattr(FeedbackLoop, "unroll", FeedbackLoop.unroll_naive)
    assert torch.equal(core.unroll(sequence, state, starts).features, features)
