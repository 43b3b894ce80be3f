"""The losses of PPO as pure functions: tensors in, a NamedTuple out."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from engram.agents.ranks import ALONE, Ranks
from engram.memory import State


class PPOLoss(NamedTuple):
    """Scalars; only `total` carries a gradient."""

    total: Tensor
    policy: Tensor
    value: Tensor
    reward: Tensor  # mean squared error of what steps pay
    entropy: Tensor  # the loss: minus the mean entropy
    approx_kl: Tensor
    clip_fraction: Tensor
    recall: State = ()  # mean error of recalling events; () where none were asked for


def normalized(advantages: Tensor, ranks: Ranks = ALONE) -> Tensor:
    """Shift and scale to mean 0 and deviation 1 over all processes; a single advantage stays as it is."""
    if not ranks.is_alone:
        exact = advantages.double()
        sums = torch.stack([exact.new_tensor(exact.numel()), exact.sum(), exact.square().sum()])
        count, total, squares = ranks.total(sums).tolist()
        deviation = math.sqrt(max(0.0, squares - total * total / count) / max(1.0, count - 1.0))
        shifted: Tensor = (advantages - total / count) / (deviation + 1e-8)
        return shifted
    if advantages.numel() < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def clipped_values(values: Tensor, old_values: Tensor, clip_range: float | None) -> Tensor:
    """Keep values within `clip_range` of the old ones, in units of return; None for no limit."""
    if clip_range is None:
        return values
    return old_values + (values - old_values).clamp(-clip_range, clip_range)


def ppo_loss(
    log_probs: Tensor,
    values: Tensor,
    entropies: Tensor,
    predicted_rewards: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    returns: Tensor,
    rewards: Tensor,
    clip_range: float,
    entropy_coef: float,
    value_coef: float,
    reward_coef: float,
) -> PPOLoss:
    """Clipped surrogate, squared value error, entropy bonus and squared error of predicted rewards.

    The first three as in Schulman et al. 2017 (equations 7 and 9), the last as in Jaderberg et al. 2017.

    Args:
        log_probs, values, entropies, predicted_rewards: [L, M] of the current policy.
        old_log_probs, advantages, returns, rewards: [L, M] from the rollout.
        clip_range: how far the probability ratio may leave 1.
        entropy_coef, value_coef, reward_coef: weights of the terms.
    """
    log_ratio = log_probs - old_log_probs
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    policy = -torch.min(advantages * ratio, advantages * clipped).mean()
    value = (returns - values).square().mean()
    reward = (rewards - predicted_rewards).square().mean()
    entropy = -entropies.mean()
    total = policy + entropy_coef * entropy + value_coef * value
    if reward_coef:
        total = total + reward_coef * reward
    with torch.no_grad():
        # The k3 estimator (http://joschu.net/blog/kl-approx.html).
        approx_kl = (ratio - 1 - log_ratio).mean()
        clip_fraction = ((ratio - 1).abs() > clip_range).float().mean()
    return PPOLoss(total, policy.detach(), value.detach(), reward.detach(), entropy.detach(), approx_kl, clip_fraction)
