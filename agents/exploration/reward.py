"""What news is worth: one rule for every bonus, which pays nothing where everything is new."""

from __future__ import annotations

import torch
from torch import Tensor


def news_rate(news: Tensor, ended: Tensor) -> float:
    """Return the share of steps that bring news, among those of a rollout that could.

    Of news n of 0 and 1 it is the share of ones. Of others it is how many steps share the news, `(Σ n)² / Σ n²`: all of
    them if each is as new as another, one if a single one is new.

    Args:
        news: [T, B], see `Bonus.news`.
        ended: [T, B] bool, the episode ended after the step, so that the next observation is a first one.
    """
    exact = news.double()
    total, squares, possible = torch.stack([exact.sum(), exact.square().sum(), (~ended).sum()]).tolist()
    return min(1.0, total * total / (max(1.0, possible) * squares)) if squares else 0.0  # rounding may bring more


def novelty_bonus(news: Tensor, rate: float, coef: float) -> Tensor:
    """Turn news into rewards; if every step is as new as another, they are worth nothing.

    Where noise makes every observation new, a bonus would only pay for time. So it falls as news becomes frequent: to
    94 % if half of all steps bring some, to 34 % if nine of ten do, to nothing if all do.

    Args:
        news: [T, B], from one rollout.
        rate: share of steps of the rollout that bring news, see `news_rate`.
        coef: reward for news of 1 where it is rare.

    Returns:
        [T, B] `coef * news * (1 - rate ** 4)`.
    """
    return news * (coef * (1.0 - rate**4))


def coef_now(coef: float, fraction: float, done: float) -> float:
    """Return what a coefficient is that falls linearly to zero.

    Args:
        coef: at the start of the training.
        fraction: share of the training over which it falls.
        done: share of the training that is over.
    """
    return coef * max(0.0, 1.0 - done / fraction)
