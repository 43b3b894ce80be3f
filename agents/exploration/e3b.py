"""E3B: new is what lies outside of the ellipsoid of what its episode has shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from engram.agents.actions import PreviousAction
from engram.agents.exploration.embedding import Embedding, in_parts
from engram.agents.exploration.interface import Seen
from engram.agents.exploration.learned import LearnedBonus, Steps
from engram.memory import State
from engram.storage import Plain


class E3B(LearnedBonus):
    """Exploration by elliptical episodic bonuses (Henaff et al. 2022, algorithm 1): `φ(s')ᵀ C⁻¹ φ(s')`.

    C is `λ 1` plus the sum of `φ φᵀ` over all observations of the episode before. φ learns to tell which action led
    from one observation to the next, so that what no action changes does not count. It has length 1 here.
    """

    ridge: ClassVar[float] = 0.1
    """λ."""
    width: ClassVar[int] = 32
    """D, of φ."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
    ) -> None:
        super().__init__(observation_space, action_space, left_out)
        self.stored_action = PreviousAction(action_space)
        self.embedding = Embedding(observation_space, left_out, self.width)
        self.which_action = nn.Sequential(
            nn.Linear(2 * self.width, 2 * self.width), nn.ReLU(), nn.Linear(2 * self.width, self.stored_action.size)
        )
        self._inverse: Tensor | None = None  # [B, D, D], of the episodes that go on
        self.begin()

    def embedded(self, observations: State) -> Tensor:
        """Return φ of observations [X, B, ...], [X, B, D]; else all news would grow with it as it learns."""
        return functional.normalize(self.embedding(observations), dim=2)

    def raw_news(self, seen: Seen) -> Tensor:
        embedded = in_parts(self.embedded, seen.observations)
        size, width = embedded.shape[1:]
        starts = seen.starts
        none_yet = torch.eye(width, device=embedded.device).div(self.ridge).expand(size, -1, -1)
        if self._inverse is None:
            self._inverse, starts = none_yet, starts.clone()
            starts[0] = True
        # Where an episode goes on, its observation before the first step has been counted already.
        embedded[0] *= starts[0].unsqueeze(1)
        inverse, found = self._inverse, []
        for phi, start in zip(embedded, starts, strict=True):
            inverse = torch.where(start.view(-1, 1, 1), none_yet, inverse)
            moved = torch.einsum("bij,bj->bi", inverse, phi)  # u = C⁻¹ φ
            news = (phi * moved).sum(1)
            found.append(news)
            # Sherman and Morrison: C⁻¹ of the observations with this one.
            inverse = inverse - moved.unsqueeze(2) * (moved / (1.0 + news).unsqueeze(1)).unsqueeze(1)
        self._inverse = inverse
        return torch.stack(found[1:]).clamp(min=0.0)  # rounding may bring less

    def loss(self, steps: Steps) -> Tensor:
        told = self.which_action(torch.cat([self.embedded(steps.before), self.embedded(steps.after)], dim=2))
        counts = ~steps.ended
        return (self._errors(told, steps.actions) * counts).sum() / counts.sum().clamp(min=1)

    def _errors(self, told: Tensor, actions: Tensor) -> Tensor:
        """Return how wrong what is told of actions [X, B, A] is, [X, B]; of each of several choices a logit."""
        if self.stored_action.choices:
            parts = zip(told.split(self.stored_action.choices, dim=2), (actions - 1).unbind(2), strict=True)
            return torch.stack(
                [functional.cross_entropy(one.movedim(2, 1), of, reduction="none") for one, of in parts]
            ).sum(0)
        if isinstance(self.action_space, spaces.MultiBinary):
            return functional.binary_cross_entropy_with_logits(told, actions, reduction="none").sum(2)
        return (told - actions).square().sum(2)

    def observe(self, observations: State) -> None:
        self.embedding.observe(observations)

    def forget(self) -> None:
        self._inverse = None

    def shown(self) -> Plain:
        return None if self._inverse is None else self._inverse.clone()

    def set_shown(self, shown: Any) -> None:
        if shown is not None and (shown.dtype != torch.float32 or shown.shape[1:] != (self.width, self.width)):
            raise ValueError(f"what was shown is a matrix [{self.width}, {self.width}] for each env")
        self._inverse = shown
