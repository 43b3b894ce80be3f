"""What each step of a sequence may read: discrete facts, which do not depend on the weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.slots import readable_mask
from engram.memory.positions import AgeBias


class Reach(NamedTuple):
    """Which of M events each step may read, and what is known of them."""

    alive: Tensor  # [B, T, M] bool
    age: Tensor  # [B, T, M] uint8, bucket of the age, see `AgeBias.bucket`
    log_duplicates: Tensor  # [B, T, M] log of how many events alive equal each; without meaning where it is not alive


class Candidates(NamedTuple):
    """The events that a sequence may read: U carried in slots, and its own."""

    birth: Tensor  # [B, M] int64, steps at which they happened
    event_hash: Tensor  # [B, M] int64, equal for equal events
    filled: Tensor  # [B, U] bool, the slots that hold one


def reach_of(candidates: Candidates, decisions: Tensor, episode_starts: Tensor, age_bias: AgeBias) -> Reach:
    """Find what each step of a sequence may read.

    Args:
        candidates: M = U + T.
        decisions: [T, B] slot taken by each step's event.
        episode_starts: [T, B] bool.
        age_bias: sorts ages.
    """
    alive = readable_mask(decisions, candidates.filled, episode_starts).transpose(0, 1)  # [B, T, M]
    now = candidates.birth[:, candidates.filled.shape[1] :].unsqueeze(2)
    age = age_bias.bucket(now - candidates.birth.unsqueeze(1)).to(torch.uint8)
    kind = kinds(candidates.event_hash).unsqueeze(1).expand(alive.shape)
    counts = torch.zeros(alive.shape, dtype=age_bias.table.dtype, device=alive.device)
    duplicates = counts.scatter_add_(2, kind, alive.to(counts.dtype)).gather(2, kind)
    return Reach(alive, age, duplicates.clamp_(min=1.0).log_())


def kinds(event_hash: Tensor) -> Tensor:
    """Number the different events of each row [B, M]: equal numbers below M for equal events."""
    ordered, order = event_hash.sort(1)
    changes = torch.zeros_like(ordered)
    changes[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return torch.empty_like(order).scatter_(1, order, changes.cumsum(1))
