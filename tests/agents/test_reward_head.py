"""Predicting rewards: by hand for every kind of action, and what is learned of it."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from small import Logged, small
from staggered import ACTIONS

from engram.agents.actions import PreviousAction
from engram.agents.reward_head import RewardHead
from engram.agents.rollout.returns import horizon

FEATURES, ROWS = 5, 7


def as_numbers(space, action):
    """One-hot per choice, or the action as it is."""
    if isinstance(space, spaces.Discrete):
        return np.eye(space.n)[action]
    if isinstance(space, spaces.MultiDiscrete):
        return np.concatenate([np.eye(n)[choice] for n, choice in zip(space.nvec, action, strict=True)])
    return np.asarray(action, dtype=float).ravel()


@pytest.mark.parametrize("space", ACTIONS.values(), ids=ACTIONS)
def test_every_action_has_weights_of_its_own(space):
    space.seed(1)
    actions = [space.sample() for _ in range(ROWS)]
    stored_action = PreviousAction(space)
    head = RewardHead(FEATURES, stored_action)
    features = torch.randn(ROWS, FEATURES)
    given = torch.as_tensor(np.array(actions))
    stored = stored_action.store(given if isinstance(space, spaces.Discrete) else given.flatten(1))
    assert head(features, stored).tolist() == [0.0] * ROWS
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    seen = np.concatenate([features.numpy(), np.ones((ROWS, 1))], axis=1)
    of_any, of_action = np.split(torch.cat([head.weight, head.bias[:, None]], 1).detach().numpy(), [1])
    has_choices = isinstance(space, spaces.Discrete | spaces.MultiDiscrete)
    weights = [as_numbers(space, action) @ of_action + of_any[0] * (not has_choices) for action in actions]
    expected = (seen * np.array(weights)).sum(1)
    np.testing.assert_allclose(head(features, stored).detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_the_horizon_is_what_steps_add_up_to():
    assert horizon(0.0, 7) == 1.0
    assert horizon(1.0, 7) == 7.0
    assert horizon(0.5, 3) == 1.75


def test_what_is_predicted_is_what_the_env_pays_and_no_bonus():
    model = small(novelty_coef=0.3)
    model.learn(60)
    rewards = model.chunks.steps.rewards
    assert torch.equal(model.chunks.rewards, rewards / model.return_scale)
    assert not torch.allclose(model.chunks.rewards, rewards)


def test_the_error_falls_and_weighs_as_much_as_is_said():
    logged = Logged()
    model = small(ent_coef=0.0, vf_coef=0.0, learning_rate=3e-3, novelty_coef=0.0, reward_coef=2.0, gamma=0.5)
    model.learn(60, logged)
    first = logged.names["train/reward_loss"]
    model.learn(3000, logged, reset_num_timesteps=False)
    names = logged.names
    assert 0 < names["train/reward_loss"] < 0.3 * first
    expected = names["train/policy_gradient_loss"] + 2.0 * horizon(0.5, 10) * names["train/reward_loss"]
    assert names["train/loss"] == pytest.approx(expected, abs=1e-5)


def test_zero_leaves_it_out():
    model = small(reward_coef=0.0).learn(60)
    assert all(parameter.abs().sum() == 0 for parameter in model.policy.reward_head.parameters())
    assert all(parameter.abs().sum() > 0 for parameter in small().learn(60).policy.reward_head.parameters())
