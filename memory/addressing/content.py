"""Content addressing: where a memory holds what is similar to a key (Graves et al. 2014, eqs. 5-6; 2016, methods)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-6
"""Inside the norm, so that a row of zeros has a similarity of zero and a gradient."""


def content_weights(memory: Tensor, keys: Tensor, strengths: Tensor) -> Tensor:
    """Compute the softmax over the slots of strength times cosine similarity.

    Args:
        memory: [B, N, W].
        keys: [B, R, W].
        strengths: [B, R], at least 0.

    Returns:
        [B, R, N], each row on the simplex.
    """
    directions = memory * inverse_norm(memory)
    sought = keys * inverse_norm(keys)
    return (strengths.unsqueeze(2) * (sought @ directions.transpose(1, 2))).softmax(2)


def masked_content_weights(memory: Tensor, keys: Tensor, strengths: Tensor, masks: Tensor) -> Tensor:
    """Compute content weights that compare a part of the word only (Csordás & Schmidhuber 2019, eq. 3).

    Args:
        memory, keys, strengths: as for `content_weights`.
        masks: [B, R, W] in 0..1, how much each place of the word counts for a key.

    Returns:
        [B, R, N].
    """
    sought = keys * masks
    sought = sought * inverse_norm(sought)
    # |M_i ∘ m|² = Σ_w M_iw² m_w²: no product of slots, keys and words is ever built. What is divided by the norm of the
    # masked row is the masked row itself, so the mask enters the product twice.
    lengths = torch.rsqrt(masks.square() @ memory.square().transpose(1, 2) + EPSILON)
    likeness = ((sought * masks) @ memory.transpose(1, 2)) * lengths
    return (strengths.unsqueeze(2) * likeness).softmax(2)


def inverse_norm(vectors: Tensor) -> Tensor:
    """Return one over the length of vectors [..., W] as [..., 1]; that of a zero vector is finite."""
    return torch.rsqrt(vectors.square().sum(-1, keepdim=True) + EPSILON)


class Found(NamedTuple):
    """Content weights, and what their backward pass needs."""

    weights: Tensor  # [B, R, N]
    likeness: Tensor  # [B, R, N]
    scale: Tensor  # [B, R, N]
    of_slot: Tensor  # [B, 1, N] inverse norms
    of_key: Tensor  # [B, R, 1]


def content_forward(memory: Tensor, keys: Tensor, strengths: Tensor) -> Found:
    """Compute content weights for a fused step, outside the graph; arguments as for `content_weights`."""
    of_slot = inverse_norm(memory).transpose(1, 2)
    of_key = inverse_norm(keys)
    scale = of_key * of_slot
    likeness = torch.bmm(keys, memory.transpose(1, 2)).mul_(scale)
    return Found((strengths.unsqueeze(2) * likeness).softmax(2), likeness, scale, of_slot, of_key)


def content_backward(
    of_weights: Tensor, memory: Tensor, keys: Tensor, strengths: Tensor, found: Found, of_memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the memory to `of_memory`; return those of keys and strengths, given that of the weights."""
    of_logits = torch._softmax_backward_data(of_weights, found.weights, 2, found.weights.dtype)
    by_strength = of_logits * found.likeness
    of_strengths = by_strength.sum(2)
    of_dots = (of_logits * strengths.unsqueeze(2)).mul_(found.scale)
    # What the norms take back: along the slots, and along the keys.
    along_slot = by_strength.mul_(strengths.unsqueeze(2)).sum(1, keepdim=True).mul_(found.of_slot).mul_(found.of_slot)
    along_key = (of_strengths * strengths).unsqueeze(2).mul_(found.of_key).mul_(found.of_key)
    of_memory.baddbmm_(of_dots.transpose(1, 2), keys).addcmul_(memory, along_slot.transpose(1, 2), value=-1)
    return torch.bmm(of_dots, memory).addcmul_(keys, along_key, value=-1), of_strengths
