"""Returns and advantages of a rollout, and how large a return was at most."""

from __future__ import annotations

import torch
from torch import Tensor


def next_values(
    values: Tensor, last_values: Tensor, terminated: Tensor, truncated: Tensor, truncated_values: Tensor
) -> Tensor:
    """Value of what follows each step: nothing after a termination, the unseen continuation after a truncation.

    Args:
        values: [T, B] before each step.
        last_values: [B] after the last step.
        terminated, truncated: [T, B] bool, after each step.
        truncated_values: [T, B] value of the truncated episode's final observation, with the post-step memory.

    Returns:
        [T, B].
    """
    following = torch.cat([values[1:], last_values.unsqueeze(0)])
    following = torch.where(truncated, truncated_values, following)
    return torch.where(terminated, 0.0, following)


def generalized_advantages(
    rewards: Tensor, values: Tensor, following: Tensor, ended: Tensor, gamma: float, gae_lambda: float
) -> Tensor:
    """Generalized advantage estimation (Schulman et al. 2016, equation 16).

    Args:
        rewards, values: [T, B].
        following: [T, B] from `next_values`.
        ended: [T, B] bool, the episode ended after the step, by termination or truncation.
        gamma: discount.
        gae_lambda: trade-off of bias and variance.

    Returns:
        advantages [T, B]; returns are advantages + values.
    """
    errors = rewards + gamma * following - values
    advantages = torch.empty_like(errors)
    advantage = torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        advantage = errors[t] + gamma * gae_lambda * torch.where(ended[t], 0.0, advantage)
        advantages[t] = advantage
    return advantages


def horizon(gamma: float, n_steps: int) -> float:
    """Return how many steps, discounted, add up to a return within a rollout."""
    return float(sum(gamma**step for step in range(n_steps)))


def largest_return(rewards: Tensor, ended: Tensor, gamma: float) -> float:
    """Return the largest magnitude of a discounted return within a rollout; what comes after it is not counted.

    Args:
        rewards: [T, B].
        ended: [T, B] bool, the episode ended after the step.
        gamma: discount.
    """
    nothing = torch.zeros_like(rewards)
    returns = generalized_advantages(rewards, nothing, nothing, ended, gamma, 1.0)
    return returns.abs().max().item()
