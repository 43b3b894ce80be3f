"""The fast loop over time, held to the plain one."""

import gc
import weakref

import pytest
import torch
from cores import SPECS, STARTS, TIME, assert_equal_trees, build, carried_state, episode_starts, events

from memory import MEMORIES, Memory, core, feedback, fused_loop
from memory.cell import CellMemory
from memory.state import leaves

fast_specs = pytest.mark.parametrize(
    "spec",
    [spec for spec in SPECS if spec.controller == "lstm" and issubclass(MEMORIES.get(spec.memory, Memory), CellMemory)],
    ids=str,
)


@fast_specs
@pytest.mark.parametrize("pattern", STARTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-11)])
def test_the_fast_loop_equals_the_plain_one_forward_and_backward(spec, pattern, dtype, tolerance, monkeypatch):
    model = build(spec, dtype)
    sequence, starts = events(kinds=7), episode_starts(pattern)
    mixing = torch.randn(TIME, 3, model.feature_size, dtype=dtype)

    def outcome(run, writes=None):
        monkeypatch.setattr(core, "run", run)
        model.zero_grad()
        unrolled = model.unroll(sequence, carried_state(model), starts, writes)
        loss = (unrolled.features * mixing).sum()
        for leaf in leaves(unrolled.state):
            loss = loss + leaf.square().sum()
        loss.backward()
        gradients = tuple(torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters())
        return (unrolled.features, unrolled.state, unrolled.writes, tuple(unrolled.trace.values()), gradients)

    plain = outcome(feedback.plain)
    assert_equal_trees(outcome(feedback.run), plain, tolerance)
    assert_equal_trees(outcome(feedback.run, plain[2]), plain, tolerance)


@fast_specs
def test_behind_an_lstm_a_chunk_is_one_node_of_the_graph(spec, monkeypatch):
    calls = []
    monkeypatch.setattr(feedback, "fused_loop", lambda *args: calls.append(1) or fused_loop.fused_loop(*args))
    for controller, expected in (("lstm", 1), ("gru", 0)):
        calls.clear()
        model = build(spec._replace(controller=controller))
        model.unroll(events(), model.initial_state(3), episode_starts("none"))
        assert len(calls) == expected


@fast_specs
def test_what_is_kept_for_the_backward_pass_is_freed_with_the_graph(spec):
    model = build(spec)
    unrolled = model.unroll(events(), model.initial_state(3), episode_starts("none"))
    kept = weakref.ref(unrolled.state.memory.memory.grad_fn.steps[0].said)
    gc.disable()  # a cycle would wait for it
    try:
        assert kept() is not None
        del unrolled
        assert kept() is None
    finally:
        gc.enable()
