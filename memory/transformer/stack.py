"""The gated Transformer over a sliding window of steps.

Its state is explicit: what each layer saw at the last `window` steps of the episode. All steps of a sequence are
computed at once, one attention per layer, and no token is cut off from the gradient: it flows to everything inside
the sequence and to the state passed in, exactly as it would step by step. (A caller that stores a state detaches it,
which is the stop-gradient of Transformer-XL.)
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.positions import StepEmbedding
from engram.memory.state import broadcast_like
from engram.memory.transformer.window_attention import WindowAttention, same_episode, within_reach


class TransformerState(NamedTuple):
    """What every layer saw at the last N steps of one episode in each row, most recent last."""

    tokens: tuple[Tensor, ...]  # one [B, N, D] per layer: its inputs; zeros where there was no step
    filled: Tensor  # [B, N] bool


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


class TransformerStack(nn.Module):
    """Gated Transformer, GTrXL (Parisotto et al. 2020, "Stabilizing Transformers for Reinforcement Learning").

    Each layer attends to the step itself and to the `window` steps before it, so that L layers reach L * N steps back.
    What comes out is normalized, which the paper leaves out: the layers' sum has no bound, and heads read it directly.

    Args:
        width: D, of tokens and outputs.
        layers: L.
        heads: attention heads, a divisor of `width`.
        window: N, steps before the current one that a layer sees.
        feedforward_size: units of the hidden layer after each attention.

    Raises:
        ValueError: if a size is not a whole number of at least 1, or `heads` does not divide `width`.
    """

    def __init__(self, width: int, layers: int, heads: int, window: int, feedforward_size: int) -> None:
        super().__init__()
        self.width = check_int("width", width)
        layers, heads = check_int("layers", layers), check_int("heads", heads)
        self.window = check_int("window", window)
        feedforward_size = check_int("feedforward_size", feedforward_size)
        if self.width % heads:
            fitting = max(fewer for fewer in range(1, heads) if self.width % fewer == 0)
            raise ValueError(f"heads={heads} must divide the width of {self.width}; heads={fitting} would")
        position_size = self.width + self.width % 2  # sines and cosines come in pairs
        self.distance_embedding = StepEmbedding(position_size)
        self.layers = nn.ModuleList(Block(self.width, heads, feedforward_size, position_size) for _ in range(layers))
        self.normalize = nn.LayerNorm(self.width)

    def initial_state(self, batch_size: int) -> TransformerState:
        """Return the empty window of `batch_size` episodes."""
        blank = self.normalize.weight.new_zeros(batch_size, self.window, self.width)
        filled = torch.zeros(batch_size, self.window, dtype=torch.bool, device=blank.device)
        return TransformerState((blank,) * len(self.layers), filled)

    def forward(
        self, inputs: Tensor, state: TransformerState, episode_starts: Tensor
    ) -> tuple[Tensor, TransformerState]:
        """Run over a sequence in which episodes may start at any step of any row.

        Args:
            inputs: [T, B, D].
            state: state before the first step and before its reset.
            episode_starts: [T, B] bool.

        Returns:
            outputs [T, B, D] and the state after the last step.
        """
        # What no step can see is replaced before it is used: masked alone, a NaN would still reach the gradient.
        readable = state.filled & ~episode_starts[0].unsqueeze(1)
        same = same_episode(readable, episode_starts)
        visible = same & within_reach(len(inputs), self.window, inputs.device)
        filled = same[:, -1, -self.window :].clone()
        distances = torch.arange(self.window, -1, -1, device=inputs.device)
        stream = inputs.transpose(0, 1).to(self.normalize.weight.dtype)  # autocast halves neither stream nor state
        positions = self.distance_embedding(distances, stream.dtype)
        windows = []
        for layer, carried in zip(self.layers, state.tokens, strict=True):
            tokens = torch.cat([_only(readable, carried), stream], dim=1)
            windows.append(_only(filled, tokens[:, -self.window :]))
            stream = layer(tokens, positions, visible)
        return self.normalize(stream).transpose(0, 1), TransformerState(tuple(windows), filled)


def _only(filled: Tensor, tokens: Tensor) -> Tensor:
    """Return `tokens` [B, N, D] with zeros in the slots that are not filled [B, N]."""
    return tokens.masked_fill(~broadcast_like(filled, tokens), 0.0)
