"""Temporal links: which slot was written after which (Graves et al. 2016, methods)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Linked(NamedTuple):
    """The links after a write, and where they lead from the last reads."""

    links: Tensor  # [B, N, N], L[i, j]: i was written after j
    forward: Tensor  # [B, R, N], to what was written after what was read: L w
    backward: Tensor  # [B, R, N], to what was written before: Lᵀ w


def update_and_follow_links(links: Tensor, precedence: Tensor, write_weights: Tensor, read_weights: Tensor) -> Linked:
    """Update the links and follow them.

    L[i, j] = (1 - w[i] - w[j]) L[i, j] + w[i] p[j], and zero for i = j.

    Args:
        links: [B, N, N] of the step before.
        precedence: [B, N] of the step before: how much each slot was the last written.
        write_weights: [B, N] of this step.
        read_weights: [B, R, N] of the step before.
    """
    of_row, of_column = write_weights.unsqueeze(2), write_weights.unsqueeze(1)
    links = (1 - of_row - of_column) * links + of_row * precedence.unsqueeze(1)
    links = links * (1 - torch.eye(links.shape[1], dtype=links.dtype, device=links.device))
    return Linked(links, read_weights @ links.transpose(1, 2), read_weights @ links)


def update_precedence(precedence: Tensor, write_weights: Tensor) -> Tensor:
    """Update how much each slot was the last written: p = (1 - Σ w) p + w.

    Args:
        precedence: [B, N].
        write_weights: [B, N] with a sum of at most 1.

    Returns:
        [B, N], at least 0, with a sum of at most 1.
    """
    return torch.addcmul(write_weights, 1 - write_weights.sum(1, keepdim=True), precedence)


def links_forward(links: Tensor, precedence: Tensor, write_weights: Tensor, read_weights: Tensor) -> Linked:
    """Update and follow the links for a fused step, outside the graph; arguments as for `update_and_follow_links`."""
    now = ((1 - write_weights).unsqueeze(2) - write_weights.unsqueeze(1)).mul_(links)
    now.addcmul_(write_weights.unsqueeze(2), precedence.unsqueeze(1))
    now.diagonal(dim1=1, dim2=2).zero_()
    return Linked(now, torch.bmm(read_weights, now.transpose(1, 2)), torch.bmm(read_weights, now))


def links_backward(
    gradients: Linked, before: Tensor, precedence: Tensor, write_weights: Tensor, read_weights: Tensor, now: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of what `links_forward` was given, the links `before` first, given those of its results."""
    of_read_weights = torch.bmm(gradients.forward, now).baddbmm_(gradients.backward, now.transpose(1, 2))
    # L w and Lᵀ w in one product: Σ_r gf_r[i] w_r[j] + w_r[i] gb_r[j].
    left = torch.cat([gradients.forward, read_weights], dim=1).transpose(1, 2)
    right = torch.cat([read_weights, gradients.backward], dim=1)
    of_now = torch.baddbmm(gradients.links, left, right)
    of_now.diagonal(dim1=1, dim2=2).zero_()
    of_kept = of_now * before
    of_write_weights = (of_now * precedence.unsqueeze(1)).sum(2)  # a product of matrix and vector is slower in batches
    of_write_weights -= of_kept.sum(1)
    of_write_weights -= of_kept.sum(2)
    of_precedence = torch.bmm(write_weights.unsqueeze(1), of_now).squeeze(1)
    kept = (1 - write_weights).unsqueeze(2) - write_weights.unsqueeze(1)
    return of_now.mul_(kept), of_precedence, of_write_weights, of_read_weights
