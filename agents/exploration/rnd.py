"""Random network distillation: new is what a network has not learned to predict yet."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.exploration.embedding import FEATURES, Embedding, in_parts
from engram.agents.exploration.interface import Seen
from engram.agents.exploration.learned import LearnedBonus, Steps
from engram.memory import State, tree_map


class RND(LearnedBonus):
    """Random network distillation (Burda et al. 2019, section 2.2): `|f̂(s') - f(s')|²` of what a step led to.

    f is a network that stays as it was drawn, f̂ one that learns to predict it, and errs where it has learned little. It
    is not episodic: what all episodes show is no news.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
    ) -> None:
        super().__init__(observation_space, action_space, left_out)
        self.target = Embedding(observation_space, left_out, FEATURES).apply(_draw).requires_grad_(False)
        self.predictor = Embedding(observation_space, left_out, FEATURES, FEATURES, FEATURES).apply(_draw)
        self.begin()

    def squared_errors(self, observations: State) -> Tensor:
        """Return `|f̂(s) - f(s)|²` of observations [X, B, ...], [X, B]."""
        predicted, drawn = self.predictor(observations), self.target(observations)
        return cast(Tensor, (predicted - drawn).square().sum(2))

    def raw_news(self, seen: Seen) -> Tensor:
        return in_parts(self.squared_errors, tree_map(lambda leaf: leaf[1:], seen.observations))

    def loss(self, steps: Steps) -> Tensor:
        return self.squared_errors(steps.after).mean()

    def observe(self, observations: State) -> None:
        for network in (self.target, self.predictor):
            network.observe(observations)


def _draw(module: nn.Module) -> None:
    """Draw weights anew, large enough that a random network tells observations apart, as the authors do."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.orthogonal_(module.weight, 2.0**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
