"""Attention of every step of a sequence over a sliding window of the steps before it, of the same episode."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from engram.memory.precision import full_precision


def same_episode(filled: Tensor, episode_starts: Tensor) -> Tensor:
    """Find the tokens of the same episode as each step, before or after it.

    Args:
        filled: [B, N] bool, slots of the window before the first step that hold a token, most recent last.
        episode_starts: [T, B] bool.

    Returns:
        [B, T, N + T] bool: first the window's tokens, then the sequence's own.
    """
    episode = episode_starts.t().cumsum(1)  # [B, T]
    carried = filled.unsqueeze(1) & (episode == 0).unsqueeze(2)
    return torch.cat([carried, episode.unsqueeze(2) == episode.unsqueeze(1)], dim=2)


def within_reach(length: int, window: int, device: torch.device) -> Tensor:
    """Find the tokens that each step can look at: its own and the `window` (N) before it, never a later one.

    Returns:
        [T, N + T] bool, tokens as in `same_episode`.
    """
    time = torch.arange(length, device=device).unsqueeze(1)
    distance = time - torch.arange(-window, length, device=device)
    return (distance >= 0) & (distance <= window)


def by_token(by_distance: Tensor) -> Tensor:
    """Move what is known for each step and distance to the token that lies so far before the step.

    Args:
        by_distance: [..., T, N + 1], distances from N down to 0.

    Returns:
        [..., T, N + T], tokens as in `same_episode`; zeros where the distance is none of those.
    """
    length, distances = by_distance.shape[-2:]
    # Padded by T the rows have one element more than there are tokens: read on without that one, each row stands one
    # token further right than the row before (the trick of Dai et al. 2019, appendix B).
    padded = nn.functional.pad(by_distance, (0, length)).flatten(-2)
    tokens = distances - 1 + length
    return cast(Tensor, padded[..., : length * tokens].unflatten(-1, (length, tokens)))


class WindowAttention(nn.Module):
    """Multi-head attention with the relative positions of Transformer-XL (Dai et al. 2019, section 3.3).

    The logit of a token k with distance d to the step q is `((q + u)·k + (q + v)·r(d)) / √W`, where r(d) is a learned
    projection of the sinusoidal embedding of d, and u and v are learned for each head. Logits and weights are at
    least fp32, also under autocast.

    Args:
        width: D, of the tokens.
        heads: R, a divisor of D; W = D / R.
        position_size: E, of the embedding of a distance.
    """

    def __init__(self, width: int, heads: int, position_size: int) -> None:
        super().__init__()
        self.heads = heads
        # Without biases: one of the keys would change no weight, one of the queries is u.
        self.query = nn.Linear(width, width, bias=False)
        self.key_and_value = nn.Linear(width, 2 * width, bias=False)
        self.from_position = nn.Linear(position_size, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))  # u
        self.position_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))  # v

    def forward(self, tokens: Tensor, positions: Tensor, visible: Tensor) -> Tensor:
        """Let each of the last T tokens attend.

        Args:
            tokens: [B, N + T, D].
            positions: [N + 1, E] embeddings of the distances from N down to 0.
            visible: [B, T, N + T] bool; every step sees itself at least.

        Returns:
            [B, T, D].
        """
        query = self._by_head(self.query(tokens[:, -visible.shape[1] :]))  # [B, R, T, W]
        key, value = (self._by_head(part) for part in self.key_and_value(tokens).chunk(2, dim=-1))
        position = self._by_head(self.from_position(positions))  # [R, N + 1, W]
        # A weight of 0 times NaN is NaN. A step that may see such a token still gets NaN, from its key.
        value = value.nan_to_num(0.0, torch.inf, -torch.inf)
        with full_precision(tokens):
            by_content = (query + self.content_bias) @ key.transpose(-1, -2)
            by_position = by_token((query + self.position_bias) @ position.transpose(-1, -2))
            logits = (by_content + by_position) / math.sqrt(query.shape[-1])
            weights = logits.masked_fill(~visible.unsqueeze(1), -torch.inf).softmax(-1)
            attended = (weights @ value).transpose(1, 2).flatten(2)
        return cast(Tensor, self.output(attended))

    def _by_head(self, vectors: Tensor) -> Tensor:
        """Split [..., M, R * W] into [..., R, M, W], in the precision of the weights or, if higher, fp32."""
        precise = torch.promote_types(vectors.dtype, torch.float32)
        return cast(Tensor, vectors.to(precise).unflatten(-1, (self.heads, -1))).transpose(-2, -3)
