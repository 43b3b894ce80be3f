"""The fused loop over time, held to the naive one with the naive step."""

import gc
import weakref

import pytest
import torch
from cores import SPECS, STARTS, TIME, Spec, assert_equal_trees, build, carried_state, episode_starts, events

from engram.memory import MEMORIES, tree_map
from engram.memory.dnc.memory import DNC
from engram.memory.feedback import fused_loop, native_loop, native_step
from engram.memory.feedback import loop as feedback
from engram.memory.feedback.loop import FeedbackLoop
from engram.memory.ntm.memory import NTM
from engram.memory.state import leaves

fused_specs = pytest.mark.parametrize(
    "spec", [spec for spec in SPECS if spec.controller == "lstm" and spec.memory in ("ntm", "dnc")], ids=str
)


def unrolled(model, **kwargs):
    return model.unroll(events(), model.initial_state(3), episode_starts("none"), **kwargs)


def take(way, monkeypatch):
    """Take the loop in C, or in torch with steps in C, or all in torch."""
    if way != "C":
        monkeypatch.setattr(feedback, "native_loop", lambda *args: None)
    if way == "torch":
        monkeypatch.setattr(native_step, "library", lambda *args, **sizes: None)


@fused_specs
@pytest.mark.parametrize("pattern", STARTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-11)])
@pytest.mark.parametrize("way", ["C", "steps in C", "torch"])
def test_the_fused_loop_equals_the_naive_one_forward_and_backward(spec, pattern, dtype, tolerance, way, monkeypatch):
    model = build(spec, dtype)
    take(way, monkeypatch)
    sequence, starts, carried = events(kinds=7), episode_starts(pattern), carried_state(model)
    mixing = torch.randn(TIME, 3, model.feature_size, dtype=dtype)

    def outcome(decisions=None):
        model.zero_grad()
        before = tree_map(lambda leaf: leaf.detach().requires_grad_(), carried)
        after = model.unroll(sequence, before, starts, decisions)
        loss = (after.features * mixing).sum()
        for leaf in leaves(after.state):
            loss = loss + (leaf.square().sum() if leaf.requires_grad else 0.0)
        loss.backward()
        gradients = [leaf.grad for leaf in (*model.parameters(), *leaves(before))]
        there = [gradient is not None for gradient in gradients[: len(list(model.parameters()))]]
        gradients = tuple(torch.zeros(1, dtype=dtype) if gradient is None else gradient for gradient in gradients)
        return there, (after.features, after.state, after.decisions, tuple(after.trace.values())), gradients

    there, fused, fused_gradients = outcome()
    _, replayed, replayed_gradients = outcome(fused[2])
    monkeypatch.setattr(FeedbackLoop, "unroll", FeedbackLoop.unroll_naive)
    model.memory.fused = None
    naive_there, naive, naive_gradients = outcome()
    for one in (fused, replayed):
        assert_equal_trees(one, naive, tolerance)
    for own, expected in ((fused_gradients, naive_gradients), (replayed_gradients, naive_gradients)):
        for gradient, other in zip(own, expected, strict=True):
            scale = max(1.0, other.abs().max().item()) if other.numel() else 1.0
            assert torch.allclose(gradient, other.expand_as(gradient), atol=tolerance * scale, rtol=0)
    assert there == naive_there  # a learned start without an episode that starts has no gradient


@fused_specs
@pytest.mark.parametrize("way", ["C", "torch"])
def test_behind_an_lstm_a_chunk_is_one_node_of_the_graph(spec, way, monkeypatch):
    calls = []

    def looped(*args):
        calls.append("torch")
        return fused_loop.fused_loop(*args)

    def looped_in_c(*args):
        found = native_loop.native_loop(*args) if way == "C" else None
        if found is not None:
            calls.append("C")
        return found

    monkeypatch.setattr(feedback, "fused_loop", looped)
    monkeypatch.setattr(feedback, "native_loop", looped_in_c)
    for controller in ("lstm", "gru"):
        calls.clear()
        model = build(spec._replace(controller=controller))
        unrolled(model)
        path = model.paths().get("feedback loop")
        expected = "C" if way == "C" and path == "native" else "torch"
        assert calls == ([expected] if controller == "lstm" and model.memory.fused is not None else [])


def test_a_subclass_with_another_step_is_not_bypassed(monkeypatch):
    for name, parent in (("ntm", NTM), ("dnc", DNC)):

        class Louder(parent):
            def interface_vector(self, hidden):
                return 2 * super().interface_vector(hidden)

        monkeypatch.setitem(MEMORIES, "louder", Louder)
        torch.manual_seed(3)
        usual = build(Spec("lstm", name, {"slots": 5}))
        torch.manual_seed(3)
        louder = build(Spec("lstm", "louder", {"slots": 5}))
        sequence = events()
        one, other = (
            each.unroll(sequence, each.initial_state(3), episode_starts("none")).features for each in (usual, louder)
        )
        assert (one - other).abs().max() > 1e-3


def node_of(after):
    """The one node of the graph that a chunk is."""
    return after.state.memory.memory.grad_fn


ONE_NODE = [Spec("lstm", "ntm", {"slots": 5}), Spec("lstm", "dnc", {"slots": 5})]


@pytest.mark.parametrize("spec", ONE_NODE, ids=str)
@pytest.mark.parametrize("way", ["C", "torch"])
def test_what_is_kept_for_the_backward_pass_is_freed_by_it(spec, way, monkeypatch):
    take(way, monkeypatch)
    after = unrolled(build(spec))
    node = node_of(after)
    kept = sum(tensor.numel() for tensor in node.saved_tensors if tensor is not None)
    assert kept > TIME * after.features[0].numel()
    after.features.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        len(node.saved_tensors)


@pytest.mark.parametrize("spec", ONE_NODE, ids=str)
@pytest.mark.parametrize("way", ["C", "torch"])
def test_a_graph_that_is_dropped_is_freed_at_once(spec, way, monkeypatch):
    take(way, monkeypatch)
    after = unrolled(build(spec))
    node = weakref.ref(node_of(after))
    gc.disable()  # a cycle would wait for it
    try:
        assert node() is not None
        del after
        assert node() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("spec", ONE_NODE, ids=str)
@pytest.mark.parametrize("way", ["C", "torch"])
def test_a_carried_state_that_was_changed_before_the_backward_pass_is_noticed(spec, way, monkeypatch):
    take(way, monkeypatch)
    model = build(spec)
    state = tree_map(torch.clone, carried_state(model))
    after = model.unroll(events(), state, episode_starts("none"))
    with torch.no_grad():
        state.memory.memory.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        after.features.sum().backward()


@fused_specs
def test_packed_weights_are_handed_on_in_acting_and_nowhere_else(spec, monkeypatch):
    model = build(spec)
    if model.paths()["feedback loop"] != "native":
        pytest.skip("there is no loop in C")
    packed = []
    pack = native_loop.pack
    monkeypatch.setattr(native_loop, "pack", lambda *args: packed.append(1) or pack(*args))
    first, starts = tree_map(lambda leaf: leaf[:1], events()), episode_starts("staggered")[:1]
    assert unrolled(model).cache.memory is None
    packed.clear()
    with torch.no_grad():
        once = model.unroll(first, model.initial_state(3), starts)
        assert len(packed) == 2
        kept = model.unroll(first, once.state, starts, cache=once.cache)
        assert len(packed) == 2
        assert_equal_trees(kept.state, model.unroll(first, once.state, starts).state, 0.0)


def test_a_recorded_order_that_names_no_slot_is_refused_for_a_whole_chunk():
    model = build(Spec("lstm", "dnc", {"slots": 5}))
    if model.paths()["feedback loop"] != "native":
        pytest.skip("there is no loop in C")
    decisions = unrolled(model).decisions.clone()
    decisions[3, 1, 2] = 5
    with pytest.raises(IndexError, match=r"not in 0\.\.4"):
        unrolled(model, decisions=decisions)
