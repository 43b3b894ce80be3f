"""Bonuses from networks that learn from what is seen: how they learn, and in which unit their news is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.agents.exploration.interface import Bonus, Seen
from engram.memory import State, tree_map

LARGEST_BATCH = 512
"""Steps in a minibatch, about."""


class Steps(NamedTuple):
    """Steps to learn from."""

    before: State  # [X, B, ...] observations
    actions: Tensor  # [X, B, A]
    after: State  # [X, B, ...] observations
    ended: Tensor  # [X, B] bool, what follows is of another episode


class LearnedBonus(Bonus):
    """A bonus that is learned with the rollouts: a subclass says what is new (`raw_news`) and what is learned (`loss`).

    News is worked out before anything is learned from it. It is divided by its typical size, so that it is about 1
    whatever networks make of it; and it is worked out and learned in full precision. A subclass calls `begin` when its
    networks are made.
    """

    learning_rate: ClassVar[float] = 1e-3
    """Of Adam. Each rollout is gone through once."""

    def begin(self) -> None:
        """Make the optimizer of all parameters that learn."""
        learning = [weights for weights in self.parameters() if weights.requires_grad]
        self.optimizer = torch.optim.Adam(learning, self.learning_rate, eps=1e-5, fused=True)
        self.size = NewsSize()

    @abstractmethod
    def raw_news(self, seen: Seen) -> Tensor:
        """Return how new what each step led to is, [X, B], not negative, in any unit."""

    @abstractmethod
    def loss(self, steps: Steps) -> Tensor:
        """Return what is to be minimized, a scalar."""

    def observe(self, observations: State) -> None:
        """Take observations [X, B, ...] into account in normalizing."""

    def news(self, seen: Seen) -> Tensor:
        with torch.autocast(seen.starts.device.type, enabled=False):
            self.observe(seen.observations)
            news = torch.where(seen.starts[1:], 0.0, self.raw_news(seen))
            self.size.observe(news)
            self._learn(seen)
            return self.size.in_units(news)

    @torch.enable_grad()
    def _learn(self, seen: Seen) -> None:
        before, after = (tree_map(lambda leaf, cut=cut: leaf[cut], seen.observations) for cut in _BEFORE_AND_AFTER)
        steps = Steps(before, seen.actions, after, seen.starts[1:])
        optimizer = cast(torch.optim.Optimizer, self.optimizer)
        n_batches = min(len(steps.ended), -(-steps.ended.numel() // LARGEST_BATCH))
        for first in range(n_batches):
            # Every n-th step of all envs: no chance is needed to mix them.
            loss = self.loss(tree_map(lambda leaf, first=first: leaf[first::n_batches], steps))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


_BEFORE_AND_AFTER: tuple[Any, Any] = (slice(None, -1), slice(1, None))


class NewsSize(nn.Module):
    """Finds the typical size of what is new, `Σ n² / Σ n` of the news n of a rollout: where n is 0 or s, it is s.

    (A deviation would depend on how often something is new, too.) It is the largest of the rollouts so far, each
    counted for a fifth less with every rollout since: what networks still err about falls by orders of magnitude.
    """

    KEPT = 0.8
    size: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("size", torch.zeros((), dtype=torch.float64))

    def observe(self, news: Tensor) -> None:
        """Take the news [X, B] of a rollout into account."""
        exact = news.double()
        total, squares = exact.sum(), exact.square().sum()
        self.size.copy_(torch.maximum(self.KEPT * self.size, torch.where(squares > 0, squares / total, 0.0)))

    def in_units(self, news: Tensor) -> Tensor:
        """Return news [X, B] in units of its size; 0 as long as there was none."""
        return torch.where(self.size > 0, news / self.size, 0.0).float()
