"""What a bonus for exploration is: it looks at what was seen and done, and says how new what each step led to is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self, cast

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.memory import State
from engram.storage import Plain
from engram.storage.modules import set_state as set_optimizer
from engram.storage.modules import set_weights, state_of, weights_of


class Seen(NamedTuple):
    """X steps of B envs: the observations before them and after the last one, and what was done."""

    observations: State  # [X + 1, B, ...]
    actions: Tensor  # [X, B, A], see `PreviousAction.store`
    starts: Tensor  # [X + 1, B] bool, the observation is the first of an episode


class Bonus(nn.Module, ABC):
    """Says how new what each step led to is.

    It is shown one stretch of steps after the other, each beginning with the observation that the one before ended
    with. It knows of observations and actions alone, and never of rewards, a policy or a memory: so it is the same for
    all of them. What episodes that go on have shown is kept beside the module; what is learned is in its parameters
    and buffers, which are saved with the agent.

    Args:
        observation_space, action_space: those of the env.
        left_out: keys of a Dict observation that do not count.
    """

    optimizer: Optimizer | None = None
    """Of a bonus that learns; its state is saved with the agent."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.observation_space, self.action_space, self.left_out = observation_space, action_space, frozenset(left_out)

    def __call__(self, seen: Seen) -> Tensor:
        """Return how new what each step led to is, [X, B], see `news`; nothing where it led to another episode."""
        with torch.no_grad():
            return torch.where(seen.starts[1:], 0.0, cast(Tensor, super().__call__(seen)))

    def forward(self, seen: Seen) -> Tensor:
        return self.news(seen)

    @abstractmethod
    def news(self, seen: Seen) -> Tensor:
        """Return how new what each step led to is, [X, B] float32: 0 for nothing new, about 1 for what is.

        Called once for each stretch of steps, which a bonus that learns learns from here, too, with gradients turned on
        by itself. Where an episode ended, what is returned does not count.
        """

    def forget(self) -> None:
        """Forget what the episodes that go on have shown: the next stretch begins anew, maybe with other envs."""

    def paid(self, coef: float) -> Self | None:
        """Return itself if news is paid for; else None, and forget, since it is not shown what goes on meanwhile."""
        if not coef:
            self.forget()
        return self if coef else None

    def get_state(self) -> dict[str, Plain]:
        """Return what it has learned, by which a training goes on: weights and optimizer."""
        return {"weights": weights_of(self), "optimizer": None if self.optimizer is None else state_of(self.optimizer)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on as the bonus whose `get_state` is given.

        Raises:
            ValueError: if it is that of another bonus.
        """
        set_weights(self, state["weights"])
        if (self.optimizer is None) != (state["optimizer"] is None):
            raise ValueError("one of two bonuses learns")
        if self.optimizer is not None:
            set_optimizer(self.optimizer, state["optimizer"])

    def shown(self) -> Plain:
        """Return what is kept of episodes that go on; a bonus that keeps something has both of these methods."""
        return None

    def set_shown(self, shown: Any) -> None:
        """Keep what `shown` returned.

        Raises:
            ValueError: if it is none of that.
        """
        if shown is not None:
            raise ValueError("something is kept of episodes, of which this bonus keeps nothing")

    def saved_as(self, name: str) -> list[str]:
        """Return what of a bonus of this name in an agent is saved with it, as Stable-Baselines3 asks for it."""
        own = [name] if self.state_dict() else []
        return own if self.optimizer is None else [*own, f"{name}.optimizer"]
