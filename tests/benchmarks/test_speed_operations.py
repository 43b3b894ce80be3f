"""The operations of an acting step and of a learning pass do not rise, and they are counted as they are dispatched."""

import re

import numpy as np
import pytest
import torch

from benchmarks.speed import operations
from benchmarks.speed.subjects.agents import Ours, make_ours, our_env
from benchmarks.speed.subjects.watched import ACTING, BACKWARD, ENV, FORWARD, OPTIMIZER, Arithmetic, watch
from engram.agents import MemoryPPO
from engram.memory import Controller
from engram.memory.controllers.lstm import native
from engram.memory.paths import NATIVE

RECORDED = operations.ceilings()
VERSION = torch.__version__.split("+")[0]
SLACK = 1.0 if RECORDED["torch"] == VERSION else 1.1  # another version may take other steps to the same
RECORD = "python -m benchmarks.speed.operations --record"


@pytest.mark.parametrize("name", operations.cases())
@pytest.mark.parametrize("way", operations.WAYS)
def test_operations_do_not_rise(way, name):
    assert name in RECORDED[way], f"a new one: {RECORD}"
    if way == "native" and native.path(torch.zeros(1)) != NATIVE:
        pytest.skip("no C compiler")
    found, most = operations.totals(name, way), RECORDED[way][name]
    for key in operations.PASSES:
        assert found[key] <= SLACK * most[key], (
            f"{name}, {way}: {key} is now {found[key]:g} operations and views, and was {most[key]:g}; "
            f"if that has to be, {RECORD}"
        )


def test_nothing_is_recorded_that_is_no_longer_there():
    for way in operations.WAYS:
        assert RECORDED[way].keys() == operations.cases().keys()


def test_operations_views_and_products_are_counted_apart_forward_and_backward():
    left, right = torch.randn(3, 5, requires_grad=True), torch.randn(5, 7, requires_grad=True)
    with Arithmetic() as counter:
        product = (left @ right).t()
        assert counter.read().tolist() == [1, 1, 2 * 3 * 5 * 7]
        product.sum().backward()
    operations_, views, flops = counter.read().tolist()
    assert flops == 3 * (2 * 3 * 5 * 7)  # a gradient of each factor
    assert operations_ >= 4
    assert views >= 4


def test_products_without_a_formula_are_not_passed_over():
    lstm = torch.nn.LSTM(3, 5)
    with pytest.raises(RuntimeError, match=re.compile("no formula .*(rnn|lstm)")), Arithmetic(), torch.no_grad():
        lstm(torch.randn(2, 1, 3))


def learner_flops(monkeypatch, naive):
    model = make_ours(Ours("none"), our_env(2), n_steps=32, batch_size=64, n_epochs=1)
    if naive:
        controller = model.policy.core.controller
        monkeypatch.setattr(type(controller), "run", Controller.run_naive)
    with operations.without_c(), Arithmetic() as counter, watch(model, counter.read) as watching:
        model.learn(64)
    return watching.spent[FORWARD][2] + watching.spent[BACKWARD][2]


def test_the_learners_flops_are_those_of_the_plain_loop_over_time(monkeypatch):
    fast = learner_flops(monkeypatch, naive=False)
    with monkeypatch.context() as patched:
        slow = learner_flops(patched, naive=True)
    lstm = 2 * 64 * 4 * 128 * 128  # the recurrent product, forward
    assert abs(slow - fast) <= lstm / 32  # at the first step the loop has no gradient of the weights to add
    assert fast > 3 * lstm


def test_every_piece_of_an_iteration_is_seen_and_nothing_is_lost():
    model = make_ours(Ours("none"), our_env(2), n_steps=32, batch_size=32, n_epochs=3)
    read = []

    def meter():
        read.append(float(len(read) ** 2))  # what is charged twice, or to nobody, shows in the sum
        return np.array(read[-1:])

    with watch(model, meter) as watching:
        model.learn(64)
    assert watching.calls[ENV] == watching.calls[ACTING] == 32
    assert watching.calls[FORWARD] == watching.calls[BACKWARD] == 3 * 64 // 32
    assert watching.calls[OPTIMIZER] >= 2 * watching.calls[BACKWARD]
    total = sum(float(spent[0]) for spent in watching.spent.values())
    assert total == read[-1] - read[0]


def test_a_method_under_another_name_is_noticed(monkeypatch):
    model = make_ours(Ours("none"), our_env(2), n_steps=32, batch_size=32, n_epochs=1)
    monkeypatch.setattr(MemoryPPO, "train", lambda self: None)
    with pytest.raises(RuntimeError, match="nothing was seen of forward"), watch(model):
        model.learn(64)
