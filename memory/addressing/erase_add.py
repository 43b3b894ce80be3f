"""Erasing and adding, the way in which NTM and DNC write, with the backward pass written out."""

from __future__ import annotations

import torch
from torch import Tensor


def write_forward(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> tuple[Tensor, Tensor]:
    """Erase and add with one head, outside the graph: M' = M + w (v - e ∘ M).

    Args:
        memory: [B, N, W].
        weights: [B, N].
        erase: [B, W] in 0..1.
        add: [B, W], v.

    Returns:
        M' and what it was changed by where the weight was 1, both [B, N, W].
    """
    change = torch.addcmul(add.unsqueeze(1), memory, erase.unsqueeze(1), value=-1)
    return torch.addcmul(memory, weights.unsqueeze(2), change), change


def write_backward(
    of_now: Tensor, memory: Tensor, weights: Tensor, erase: Tensor, change: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of memory, weights, erase and add, given that of M', which is overwritten."""
    of_weights = (of_now * change).sum(2)
    of_change = weights.unsqueeze(2) * of_now
    of_add = of_change.sum(1)
    of_erase = (of_change * memory).sum(1).neg_()
    return of_now.addcmul_(of_change, erase.unsqueeze(1), value=-1), of_weights, of_erase, of_add
