"""PPO's losses by hand, by gradient, and against the formulas of stable-baselines3."""

import math

import pytest
import torch
from torch.nn import functional

from engram.agents.learning.losses import clipped_values, normalized, ppo_loss
from engram.memory.state import leaves

LENGTH, CHUNKS = 5, 3


def loss(log_probs, advantages, values=0.0, returns=0.0, entropies=0.0, old=0.0, predicted=0.0, paid=0.0, **numbers):
    log_probs, advantages = torch.as_tensor(log_probs), torch.as_tensor(advantages)
    fill = torch.zeros_like(log_probs)
    arguments = {"clip_range": 0.2, "entropy_coef": 0.0, "value_coef": 0.0, "reward_coef": 0.0, **numbers}
    now = (fill + part for part in (values, entropies, predicted, old))
    return ppo_loss(log_probs, *now, advantages, fill + returns, fill + paid, **arguments)


@pytest.mark.parametrize(
    ("ratio", "advantage", "objective"),
    [
        (1.0, 2.0, 2.0),
        (1.1, 2.0, 2.2),
        (1.5, 2.0, 2.4),  # clipped: 1.2 * 2
        (0.5, 2.0, 1.0),  # not clipped: the smaller one counts
        (1.5, -2.0, -3.0),
        (0.5, -2.0, -1.6),  # clipped: 0.8 * -2
    ],
)
def test_the_surrogate_by_hand(ratio, advantage, objective):
    result = loss([[math.log(ratio)]], [[advantage]])
    assert result.policy.item() == pytest.approx(-objective, abs=1e-6)
    assert result.total.item() == pytest.approx(-objective, abs=1e-6)
    assert result.clip_fraction.item() == (abs(ratio - 1) > 0.2)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"), [(1.5, 2.0, False), (0.5, -2.0, False), (1.5, -2.0, True), (0.5, 2.0, True)]
)
def test_what_is_clipped_has_no_gradient(ratio, advantage, moves):
    log_probs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    loss(log_probs, [[advantage]]).total.backward()
    assert (log_probs.grad.item() != 0) == moves
    if moves:
        assert log_probs.grad.item() == pytest.approx(-ratio * advantage, rel=1e-5)


def test_the_terms_are_weighted():
    result = loss([[0.0, 0.0]], [[1.0, 3.0]], values=2.0, returns=5.0, entropies=0.7, entropy_coef=0.1, value_coef=0.5)
    assert result.value.item() == pytest.approx(9.0)
    assert result.entropy.item() == pytest.approx(-0.7)
    assert result.total.item() == pytest.approx(-2.0 - 0.07 + 4.5)
    result = loss([[0.0, 0.0]], [[1.0, 3.0]], predicted=0.5, paid=1.0, reward_coef=3.0)
    assert result.reward.item() == pytest.approx(0.25)
    assert result.total.item() == pytest.approx(-2.0 + 0.75)


def test_the_divergence_estimate_is_zero_without_a_change_and_never_negative():
    assert loss(torch.zeros(LENGTH, CHUNKS), torch.ones(LENGTH, CHUNKS)).approx_kl.item() == 0
    for _ in range(10):
        assert loss(torch.randn(LENGTH, CHUNKS), torch.randn(LENGTH, CHUNKS)).approx_kl.item() > 0


def test_only_the_total_carries_a_gradient():
    log_probs = torch.randn(LENGTH, CHUNKS, requires_grad=True)
    result = loss(log_probs, torch.randn(LENGTH, CHUNKS))
    assert [part.requires_grad for part in leaves(result)] == [True, *[False] * 6]


@pytest.mark.parametrize("clip_range_vf", [None, 0.3])
def test_values_and_gradients_equal_those_of_stable_baselines(clip_range_vf):
    log_probs, values, entropies, old_log_probs, old_values, advantages, returns = torch.randn(7, LENGTH, CHUNKS)
    ours = [log_probs.clone().requires_grad_(), values.clone().requires_grad_(), entropies.clone().requires_grad_()]
    theirs = [tensor.detach().clone().requires_grad_() for tensor in ours]

    nothing = torch.zeros_like(returns)
    result = ppo_loss(
        ours[0], clipped_values(ours[1], old_values, clip_range_vf), ours[2], nothing, old_log_probs,
        normalized(advantages), returns, nothing, 0.2, 0.01, 0.5, 0.0,
    )  # fmt: skip
    result.total.backward()

    # stable_baselines3.PPO.train, on flat tensors.
    log_prob, value, entropy = (tensor.flatten() for tensor in theirs)
    flat = advantages.flatten()
    flat = (flat - flat.mean()) / (flat.std() + 1e-8)
    ratio = torch.exp(log_prob - old_log_probs.flatten())
    policy_loss = -torch.min(flat * ratio, flat * torch.clamp(ratio, 1 - 0.2, 1 + 0.2)).mean()
    if clip_range_vf is not None:
        change = torch.clamp(value - old_values.flatten(), -clip_range_vf, clip_range_vf)
        value = old_values.flatten() + change
    value_loss = functional.mse_loss(returns.flatten(), value)
    entropy_loss = -torch.mean(entropy)
    total = policy_loss + 0.01 * entropy_loss + 0.5 * value_loss
    total.backward()

    assert result.total.item() == pytest.approx(total.item(), abs=1e-6)
    assert result.policy.item() == pytest.approx(policy_loss.item(), abs=1e-6)
    assert result.value.item() == pytest.approx(value_loss.item(), abs=1e-6)
    assert result.entropy.item() == pytest.approx(entropy_loss.item(), abs=1e-6)
    for our, their in zip(ours, theirs, strict=True):
        assert torch.allclose(our.grad, their.grad, atol=1e-7)


def test_values_are_kept_near_the_old_ones():
    old = torch.zeros(4)
    values = torch.tensor([-1.0, -0.1, 0.1, 1.0], requires_grad=True)
    clipped = clipped_values(values, old, 0.5)
    assert clipped.tolist() == pytest.approx([-0.5, -0.1, 0.1, 0.5])
    clipped.sum().backward()
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert clipped_values(values, old, None) is values


def test_advantages_are_normalized_over_all_steps_and_a_single_one_is_left():
    advantages = normalized(3 + 7 * torch.randn(LENGTH, CHUNKS))
    assert advantages.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert advantages.std().item() == pytest.approx(1.0, abs=1e-5)
    assert normalized(torch.tensor([[4.0]])).tolist() == [[4.0]]
    assert torch.isfinite(normalized(torch.ones(LENGTH, CHUNKS))).all()
