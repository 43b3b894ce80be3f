"""What a rollout is learned towards: the rewards that count, their advantages, and the returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from engram.agents.exploration.reward import news_rate, novelty_bonus
from engram.agents.rollout.buffer import Transition
from engram.agents.rollout.collect import Rollout
from engram.agents.rollout.returns import generalized_advantages


class Targets(NamedTuple):
    """Of T steps of B envs."""

    advantages: Tensor  # [T, B]
    returns: Tensor  # [T, B]
    rewards: Tensor  # [T, B] those of the env, without a bonus
    figures: dict[str, float]  # name -> what is logged


def targets_of(
    steps: Transition,
    rollout: Rollout,
    *,
    gamma: float,
    gae_lambda: float,
    novelty_coef: float,
    return_scale: float,
) -> Targets:
    """Return what a rollout is learned towards.

    Args:
        steps: leaves [T, B, ...].
        rollout: what else is known of them.
        gamma, gae_lambda: of the generalized advantages.
        novelty_coef: bonus for news, as it is now, in units of the scale.
        return_scale: what rewards are divided by.
    """
    ended, paid = steps.terminated | steps.truncated, steps.rewards / return_scale
    rewards = paid
    figures = {"rollout/return_scale": return_scale, "novelty/coef": novelty_coef}
    if rollout.news is not None:
        rate = news_rate(rollout.news, ended)
        bonus = novelty_bonus(rollout.news, rate, novelty_coef)
        rewards = paid + bonus
        figures |= {"novelty/rate": rate, "novelty/bonus": bonus.mean().item()}
    advantages = generalized_advantages(rewards, steps.values, rollout.following, ended, gamma, gae_lambda)
    return Targets(advantages, advantages + steps.values, paid, figures)
