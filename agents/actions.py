"""Actions as part of what is remembered, and masks over the actions to be chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from torch import Tensor
from torch.distributions import Categorical
from torch.nn import functional

MASKED_LOGIT = -1e8


class PreviousAction:
    """How the action of the step before is stored and encoded.

    Discrete actions are stored as 1 + action, so that 0 says "none yet"; others as they are, with zeros for none.

    Args:
        space: Discrete, MultiDiscrete, MultiBinary or Box.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space
        self.choices: list[int] | None = None
        if isinstance(space, spaces.Discrete):
            self.choices = [int(space.n)]
        elif isinstance(space, spaces.MultiDiscrete):
            self.choices = [int(n) for n in space.nvec.flatten()]
        self.size = sum(self.choices) if self.choices else int(np.prod(space.shape or ()))
        """Length of a one-hot or plain action."""

    def none(self, batch_size: int, device: torch.device | str = "cpu") -> Tensor:
        """Return what is stored before the first step: zeros [B, A]."""
        if self.choices:
            return torch.zeros(batch_size, len(self.choices), dtype=torch.int64, device=device)
        return torch.zeros(batch_size, self.size, device=device)

    def store(self, actions: Tensor) -> Tensor:
        """Return what is stored of actions as the policy's distribution gives them, as [..., A]."""
        flat = actions.unsqueeze(-1) if isinstance(self.space, spaces.Discrete) else actions
        return flat.long() + 1 if self.choices else flat.float()

    def project(self, stored: Tensor, weight: Tensor) -> Tensor:
        """Return a linear function of stored actions [X, A]: of discrete ones the weight's columns, else a product.

        Args:
            stored: actions, see `store`; "none yet" gives zeros.
            weight: [D, size].

        Returns:
            [X, D].
        """
        if not self.choices:
            return functional.linear(stored, weight)
        table = functional.pad(weight.t(), (0, 0, 1, 0))  # the first row is that of "none yet"
        if len(self.choices) == 1:
            return table.index_select(0, stored.squeeze(1))
        return functional.embedding(stored + self._first(stored) * (stored > 0), table).sum(1)

    def combine(self, stored: Tensor, parts: Tensor) -> Tensor:
        """Return what stored actions [X, A] make of parts, one for each choice or component: a sum of them, [X].

        Args:
            stored: actions, see `store`; none may be "none yet".
            parts: [X, 1 + size]. Of discrete actions those of the choices are added up, and the first counts for
                nothing; of others the first, and the others times the action's components.
        """
        if not self.choices:
            return parts[:, 0] + (parts[:, 1:] * stored).sum(1)
        if len(self.choices) > 1:
            stored = stored + self._first(stored)
        return parts.gather(1, stored).sum(1)

    def _first(self, stored: Tensor) -> Tensor:
        """Return the number of the first choice of every component, among all choices."""
        assert self.choices is not None
        return torch.tensor([0, *self.choices[:-1]], device=stored.device).cumsum(0)


def apply_masks(distribution: Distribution, masks: Tensor) -> Distribution:
    """Forbid the actions whose mask is false.

    Args:
        distribution: over Discrete or MultiDiscrete actions, batch [X].
        masks: [X, A] bool with A = n, or the sum of nvec; at least one true for every choice.

    Raises:
        ValueError: if the distribution is of other actions, the sizes do not fit, or a choice has no action allowed.
    """
    if isinstance(distribution, CategoricalDistribution):
        parts = [distribution.distribution]
    elif isinstance(distribution, MultiCategoricalDistribution):
        parts = distribution.distribution
    else:
        raise ValueError("action masks need a Discrete or MultiDiscrete action space")
    sizes = [part.logits.shape[-1] for part in parts]
    if masks.shape[-1] != sum(sizes):
        raise ValueError(f"action masks have {masks.shape[-1]} entries; the action space has {sum(sizes)} choices")
    exporting = torch.compiler.is_exporting()  # then no value can be looked at
    if not exporting and not all(mask.any(-1).all() for mask in masks.split(sizes, dim=-1)):
        shut = torch.stack([~mask.any(-1) for mask in masks.split(sizes, dim=-1)], dim=-1)
        row, choice = shut.nonzero()[0].tolist()
        which = f" of choice {choice}" if len(sizes) > 1 else ""
        raise ValueError(f"the action mask of env {row} allows no action{which} at all; every choice needs one")
    masked = [
        Categorical(logits=part.logits.masked_fill(~mask, MASKED_LOGIT), validate_args=False)
        for part, mask in zip(parts, masks.split(sizes, dim=-1), strict=True)
    ]
    if isinstance(distribution, CategoricalDistribution):
        distribution.distribution = masked[0]
    else:
        distribution.distribution = masked
    return distribution
