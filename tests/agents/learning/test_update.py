"""An update that would spoil the weights is not made."""

import pytest
import torch
from small import STEPS_OF_A_ROLLOUT, Generous, generous, small, weights
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import Staggered

from engram.agents.learning.update import WrongUpdate, leave_weights_unless_finite


def test_a_gradient_that_is_not_finite_is_told_in_a_line_and_changes_nothing():
    same = generous(10)
    same.learn(STEPS_OF_A_ROLLOUT)
    model = generous(10)
    with pytest.raises(WrongUpdate, match=r"value inf.*rewards up to 1e\+30") as caught:
        model.learn(3 * STEPS_OF_A_ROLLOUT)
    assert "\n" not in str(caught.value)
    assert torch.equal(weights(model), weights(same))


def test_returns_in_units_of_the_largest_can_be_learned_from():
    env = DummyVecEnv([lambda row=row: Generous(Staggered(row), 10) for row in range(3)])
    model = small(env)
    model.learn(3 * STEPS_OF_A_ROLLOUT)
    assert weights(model).isfinite().all()


def test_a_fused_optimizer_finds_by_itself_that_a_gradient_is_not_finite():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.1, fused=True)
    for gradient, moves in ((1.0, True), (float("nan"), False), (float("inf"), False), (1.0, True)):
        before = weight.detach().clone()
        weight.grad = torch.full((3,), gradient)
        leave_weights_unless_finite(optimizer, weight.grad.norm())
        optimizer.step()
        assert torch.equal(before, weight.detach()) != moves
        assert weight.isfinite().all()
