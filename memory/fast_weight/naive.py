"""The gated delta rule as pure functions: the plain loop over time, and the same in chunks of matrix products.

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

from engram.memory.fast_weight.chunk import delta_chunk
from engram.memory.state import reset


class DeltaSteps(NamedTuple):
    """What a sequence of steps asks of the fast weights and writes into them."""

    queries: Tensor  # [T, B, R, K] q
    keys: Tensor  # [T, B, R, K] k, no longer than 1
    values: Tensor  # [T, B, R, V] v
    strengths: Tensor  # [T, B, R] β of the write, in [0, 1]
    log_decays: Tensor  # [T, B, R] log α, at most 0


def delta_loop(steps: DeltaSteps, weights: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor]:
    """Run step by step: the definition that `delta_chunks` is held to.

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


def delta_chunks(
    steps: DeltaSteps, weights: Tensor, episode_starts: Tensor, chunk_length: int = 32
) -> tuple[Tensor, Tensor]:
    """Run in chunks, each a few matrix products and one triangular solve.

    Args:
        steps, weights, episode_starts: as for `delta_loop`.
        chunk_length: C, steps taken at once; the work per step grows with it, the number of calls falls.

    Returns:
        the same as `delta_loop`.
    """
    weights = reset(weights, torch.zeros_like(weights), episode_starts[0])
    # In a product no zero silences what is not finite; where there is any, the loop keeps it within its episode.
    if len(episode_starts) == 1 or not _all_finite(*steps, weights):
        return delta_loop(steps, weights, episode_starts)
    by_head = (part.movedim(0, 2).contiguous().split(chunk_length, dim=2) for part in steps)  # [B, R, C, ...]
    reads = []
    for starts, queries, keys, values, strengths, log_decays in zip(
        episode_starts.split(chunk_length), *by_head, strict=True
    ):
        read, weights = delta_chunk(queries, keys, values, strengths, log_decays, weights, starts)
        reads.append(read)
    return torch.cat(reads, dim=2).movedim(2, 0), weights


def _all_finite(*tensors: Tensor) -> bool:
    """Ask once for all tensors: on a GPU every question is a wait. Sums do not hide what is not finite."""
    return bool(torch.stack([tensor.detach().sum() for tensor in tensors]).isfinite().all())
