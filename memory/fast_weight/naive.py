"""The definition of the gated delta rule: a plain loop over time.

A matrix `S` of fast weights maps keys to values. A step reads it with its query, lets it decay, and replaces what its
key recalls by its value (Yang et al. 2025, "Gated delta networks", the gated delta rule; without decay Schlag et al.
2021, "Linear transformers are secretly fast weight programmers"):

    y_t = S_{t-1} q_t        S_t = α_t S_{t-1} (I - β_t k_t k_tᵀ) + β_t v_t k_tᵀ

Unlike in the papers a step reads before it writes: what happened can be read from the next step on.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.state import reset


class DeltaSteps(NamedTuple):
    """What a sequence of steps reads from the fast weights and writes to them."""

    queries: Tensor  # [T, B, R, K] q
    keys: Tensor  # [T, B, R, K] k, no longer than 1
    values: Tensor  # [T, B, R, V] v
    strengths: Tensor  # [T, B, R] β of the write, in [0, 1]
    log_decays: Tensor  # [T, B, R] log α, at most 0


def delta_loop(steps: DeltaSteps, weights: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor]:
    """Run step by step: the definition that `memory.fast_weight.chunk` is held to, and the path of a single step.

    Args:
        steps: the sequence.
        weights: [B, R, V, K] before the first step and before its reset.
        episode_starts: [T, B] bool; the weights are zero before every step at which an episode starts.

    Returns:
        reads [T, B, R, V], and the weights after the last step.
    """
    initial, reads = torch.zeros_like(weights), []
    columns = (part.unsqueeze(-1).unbind(0) for part in steps[:3])
    numbers = (part[..., None, None].unbind(0) for part in (steps.strengths, steps.log_decays.exp()))
    for start, query, key, value, strength, decay in zip(episode_starts, *columns, *numbers, strict=True):
        weights = reset(weights, initial, start)
        reads.append((weights @ query).squeeze(-1))
        kept = decay * weights
        weights = kept + strength * (value - kept @ key) * key.transpose(-1, -2)
    return torch.stack(reads), weights
