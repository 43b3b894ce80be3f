"""Returns and advantages of a rollout, and the scale of rewards."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.running_mean_std import RunningMeanStd
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


class RewardScale:
    """The deviation of discounted returns, as Stable-Baselines3's VecNormalize has it, without its clipping."""

    def __init__(self) -> None:
        self.statistics = RunningMeanStd(epsilon=0.0, shape=())
        self.returns: NDArray[np.float64] | None = None  # [B], of the episodes that go on

    @property
    def factor(self) -> float:
        """What rewards are multiplied by; 1 until a return differs from the others."""
        return 1.0 / float(np.sqrt(self.statistics.var)) if self.statistics.var > 0 else 1.0

    def scaled(self, rewards: Tensor, ended: Tensor, gamma: float) -> Tensor:
        """Take a rollout into account, and return its rewards [T, B] scaled.

        Args:
            rewards: [T, B].
            ended: [T, B] bool, the episode ended after the step.
            gamma: discount.
        """
        returns = self.returns
        if returns is None or len(returns) != rewards.shape[1]:
            returns = np.zeros(rewards.shape[1])
        of_steps = []
        for reward, end in zip(rewards.double().cpu().numpy(), ended.cpu().numpy(), strict=True):
            returns = gamma * returns + reward
            of_steps.append(returns)
            returns = np.where(end, 0.0, returns)
        self.returns = returns
        self.statistics.update(np.concatenate(of_steps))
        return rewards * self.factor
