"""Stable-Baselines3's entry points that know no state: they take every observation for the first of an episode."""

from __future__ import annotations

from abc import abstractmethod
from typing import cast

from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor


class StatelessEntryPoints(ActorCriticPolicy):
    """An actor-critic whose stateless methods all come down to `first_step`."""

    @abstractmethod
    def first_step(self, obs: PyTorchObs) -> tuple[Distribution, Tensor]:
        """Return the action distribution and the values [B] of observations [B, ...] that begin an episode."""

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Return the action distribution of first observations [B, ...]."""
        return self.first_step(obs)[0]

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Return the values [B, 1] of first observations [B, ...]."""
        return self.first_step(obs)[1].unsqueeze(-1)

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions [B, ...], values [B, 1] and log-probabilities [B] for first observations."""
        distribution, values = self.first_step(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        shaped = actions.reshape(-1, *cast(tuple[int, ...], self.action_space.shape))
        return shaped, values.unsqueeze(-1), distribution.log_prob(actions)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return values [B, 1], log-probabilities [B] and entropies [B] of actions at first observations."""
        distribution, values = self.first_step(obs)
        if isinstance(self.action_space, spaces.Box):
            actions = actions.flatten(1)
        return values.unsqueeze(-1), distribution.log_prob(actions), distribution.entropy()
