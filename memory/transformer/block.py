"""A layer of the gated Transformer: attention, a feed-forward network, and the gates after them."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.transformer.native import attend, gate
from engram.memory.transformer.window_attention import WindowAttention


class LayerWindow(NamedTuple):
    """What a layer takes of the window before a sequence, and what follows from its weights."""

    carried: Tensor  # [B, N, 2D] keys and values, most recent last
    position: Tensor  # [N + 1, D] of the distances from N down to 0
    projection: Tensor  # [3D, D] from a token to query, key and value


class Gate(nn.Module):
    """A gate like a GRU's in place of a residual connection (Parisotto et al. 2020, "GRU-type gating").

    With b > 0 it starts near the identity, so that the agent can first learn to react, then to remember.

    Args:
        width: D.
        bias: b, its initial value.
    """

    def __init__(self, width: int, bias: float = 2.0) -> None:
        super().__init__()
        self.from_update = nn.Linear(width, 3 * width, bias=False)  # W_r, W_z, W_g
        self.from_stream = nn.Linear(width, 2 * width, bias=False)  # U_r, U_z
        self.from_reset = nn.Linear(width, width, bias=False)  # U_g
        self.bias = nn.Parameter(torch.full((width,), bias))  # b_g

    def forward(self, stream: Tensor, update: Tensor) -> Tensor:
        """Join what flows by (x) and what a layer made of it (y), both [..., D]."""
        update_r, update_z, update_g = self.from_update(update).chunk(3, dim=-1)
        stream_r, stream_z = self.from_stream(stream).chunk(2, dim=-1)
        # r = σ(W_r y + U_r x), z = σ(W_z y + U_z x - b_g), ĥ = tanh(W_g y + U_g(r ⊙ x))
        reset = torch.sigmoid(update_r + stream_r)
        openness = torch.sigmoid(update_z + stream_z - self.bias)
        candidate = torch.tanh(update_g + self.from_reset(reset * stream))
        return (1 - openness) * stream + openness * candidate

    def forward_native(self, compiled: Any, stream: Tensor, update: Tensor) -> Tensor:
        """Do the same with all that is between the products in C."""
        weights = self.from_update.weight, self.from_stream.weight, self.from_reset.weight
        return gate(compiled, stream, update, *weights, self.bias)


class Block(nn.Module):
    """One layer: attention, then a feed-forward network, each normalized before it and gated after it.

    Args:
        width, heads, position_size: see `WindowAttention`.
        feedforward_size: units of the hidden layer.
    """

    def __init__(self, width: int, heads: int, feedforward_size: int, position_size: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, position_size)
        self.after_attention = Gate(width)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, feedforward_size), nn.ReLU(), nn.Linear(feedforward_size, width)
        )
        self.after_feedforward = Gate(width)

    def forward(self, tokens: Tensor, positions: Tensor, visible: Tensor) -> Tensor:
        """Process the last T tokens; arguments and result as for `WindowAttention.forward`."""
        stream = tokens[:, -visible.shape[1] :]
        attended = self.attention(self.before_attention(tokens), positions, visible)
        stream = self.after_attention(stream, torch.relu(attended))
        return cast(Tensor, self.after_feedforward(stream, torch.relu(self.feedforward(stream))))

    def keys_and_values(self, tokens: Tensor) -> Tensor:
        """Return what attention takes of tokens [B, N, D], [B, N, 2D]."""
        return cast(Tensor, self.attention.key_and_value(self.before_attention(tokens)))

    def standardized(self, tokens: Tensor) -> Tensor:
        """Return what of `keys_and_values` does not depend on the weights, [B, N, D]."""
        return nn.functional.layer_norm(tokens, (tokens.shape[-1],), eps=self.before_attention.eps)

    def keys_and_values_of(self, standardized: Tensor) -> Tensor:
        """Return `keys_and_values` of standardized tokens; the scale and shift of the norm go into the product."""
        weight, norm = self.attention.key_and_value.weight, self.before_attention
        return nn.functional.linear(standardized, weight * norm.weight, weight @ norm.bias)

    def projection(self) -> Tensor:
        """Return the weights of queries, keys and values as one, [3D, D]."""
        return torch.cat([self.attention.query.weight, self.attention.key_and_value.weight])

    def forward_native(
        self, compiled: Any, stream: Tensor, window: LayerWindow, filled: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Process the steps of a sequence [B, T, D] with the attention and the gates in C, see `forward`.

        Returns:
            [B, T, D], and the steps' own queries, keys and values [B, T, 3D].
        """
        attention = self.attention
        own = nn.functional.linear(self.before_attention(stream), window.projection)
        biases = attention.content_bias, attention.position_bias
        attended = attend(compiled, own, window.carried, window.position, *biases, filled, episode_starts)
        stream = self.after_attention.forward_native(compiled, stream, torch.relu(attention.output(attended)))
        return self.after_feedforward.forward_native(compiled, stream, torch.relu(self.feedforward(stream))), own
