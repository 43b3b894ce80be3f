"""Predicting what a step pays: what the features must tell, whatever the policy makes of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engram.agents.actions import PreviousAction


class RewardHead(nn.Module):
    """Predicts the reward of a step from the core's features and the action taken (Jaderberg et al. 2017, section 3.2).

    A value has to answer for what no step before the last could know, and an action that is hardly ever tried tells the
    policy nothing; what a step pays is told by the step itself, so that a comparison is found by the errors of a blind
    choice. Linear in the features, with its own weights for every action; all start at zero.

    Args:
        feature_size: F.
        stored_action: how actions are stored and encoded.
    """

    def __init__(self, feature_size: int, stored_action: PreviousAction) -> None:
        super().__init__()
        self._stored_action = stored_action
        self.weight = nn.Parameter(torch.zeros(1 + stored_action.size, feature_size))
        self.bias = nn.Parameter(torch.zeros(1 + stored_action.size))

    def forward(self, features: Tensor, stored: Tensor) -> Tensor:
        """Return the rewards [X] of features [X, F] and stored actions [X, A], see `PreviousAction.store`."""
        return self._stored_action.combine(stored, functional.linear(features, self.weight, self.bias))
