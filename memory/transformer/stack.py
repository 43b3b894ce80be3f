"""The gated Transformer over a sliding window of steps.

Its state is explicit: what each layer saw at the last `window` steps of the episode. All steps of a sequence are
computed at once, one attention per layer, and no token is cut off from the gradient: it flows to everything inside
the sequence and to the state passed in, exactly as it would step by step. (A caller that stores a state detaches it,
which is the stop-gradient of Transformer-XL.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.native.build import lie_on_cpu
from engram.memory.positions import StepEmbedding
from engram.memory.precision import full_precision
from engram.memory.state import any_episode_start, broadcast_like
from engram.memory.transformer.block import Block, LayerWindow
from engram.memory.transformer.native import Sizes
from engram.memory.transformer.window_attention import same_episode, within_reach

Part = TypeVar("Part")


class TransformerState(NamedTuple):
    """What every layer saw at the last N steps of one episode in each row, most recent last."""

    tokens: tuple[Tensor, ...]  # one [B, N, D] per layer: its inputs; zeros where there was no step
    filled: Tensor  # [B, N] bool


class Standardized(NamedTuple):
    """A window as far as it does not depend on the weights, after any reset before the first step."""

    tokens: tuple[Tensor, ...]  # one [B, N, D] per layer: its inputs, of mean 0 and variance 1
    filled: Tensor  # [B, N] bool


class StackOutput(NamedTuple):
    """What the stack returns for a sequence."""

    outputs: Tensor  # [T, B, D]
    state: TransformerState  # after the last step
    windows: list[LayerWindow] | None  # after a single step, outside a graph; they hold as long as the weights


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

    positions: Tensor

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
        distances = torch.arange(self.window, -1, -1)
        positions = self.distance_embedding(distances, torch.float64)
        self.register_buffer("positions", positions, persistent=False)
        self.sizes = Sizes(heads, self.width, self.window)
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
        return self.run(inputs, state, episode_starts)[:2]

    def path(self) -> str:
        """Return which implementation runs (see `memory.paths`)."""
        return self.sizes.path(self.normalize.weight)

    def run(
        self,
        inputs: Tensor,
        state: TransformerState,
        episode_starts: Tensor,
        windows: list[LayerWindow] | None = None,
    ) -> StackOutput:
        """Do what `forward` does; `windows` are those returned with `state`, if the weights have not changed since."""
        compiled = self._compiled(inputs, state.filled, *state.tokens)
        if compiled is None:
            return StackOutput(*self.forward_naive(inputs, state, episode_starts), None)
        begins, time = any_episode_start(episode_starts), len(inputs)
        readable, tokens = state.filled, state.tokens
        if begins[0]:
            readable = readable & ~episode_starts[0].unsqueeze(1)
        if begins[0] or windows is None:  # what was returned with windows is zero where nothing is stored
            tokens = tuple(_only(readable, carried) for carried in tokens)
        if windows is None:
            windows = self._windows([layer.keys_and_values(part) for layer, part in self._with(tokens)])
        outputs, seen, own = self._run_native(compiled, inputs, windows, readable, episode_starts)
        kept = [part[:, time:] for part in (readable, *tokens)]
        filled = torch.cat([kept[0], readable.new_ones(len(readable), min(time, self.window))], dim=1)
        after = tuple(torch.cat([old, new[:, -self.window :]], dim=1) for old, new in zip(kept[1:], seen, strict=True))
        if any(begins[1:]):
            filled = same_episode(readable, episode_starts)[:, -1, -self.window :].clone()
            after = tuple(_only(filled, part) for part in after)
        moved = None
        if time == 1 and not torch.is_grad_enabled():
            moved = [
                window._replace(carried=torch.cat([window.carried[:, 1:], part[..., self.width :]], dim=1))
                for window, part in zip(windows, own, strict=True)
            ]
        return StackOutput(outputs, TransformerState(after, filled), moved)

    @torch.no_grad()
    def standardized(self, state: TransformerState, episode_starts: Tensor) -> Standardized | None:
        """Return a window before its reset [B, ...] as `recall` takes it; None if there is no C code for it.

        Args:
            state: before the sequence.
            episode_starts: [B] bool, before the first step.
        """
        if self._compiled(state.tokens[0].transpose(0, 1), state.filled, *state.tokens) is None:
            return None
        readable = state.filled & ~episode_starts.unsqueeze(1)
        tokens = (_only(readable, part) for part in state.tokens)
        return Standardized(tuple(layer.standardized(t) for layer, t in self._with(tokens)), readable)

    def recall(self, inputs: Tensor, window: Standardized, episode_starts: Tensor) -> Tensor:
        """Return the outputs [T, B, D] alone, given the window before a sequence [T, B, D]."""
        with full_precision(inputs):
            inputs = inputs.to(self.normalize.weight.dtype)
            carried = [layer.keys_and_values_of(part) for layer, part in self._with(window.tokens)]
            compiled = self.sizes.library(inputs.dtype)
            return self._run_native(compiled, inputs, self._windows(carried), window.filled, episode_starts)[0]

    def _compiled(self, inputs: Tensor, filled: Tensor, *tokens: Tensor) -> Any:
        """Return the library if it takes a sequence [T, B, D] after such a window; torch takes the rest."""
        dtype, (time, batch, _) = self.normalize.weight.dtype, inputs.shape
        fit = not torch.is_autocast_enabled(inputs.device.type) and not self.sizes.too_long(time, dtype.itemsize)
        shape = (batch, self.window, self.width)
        fit = fit and lie_on_cpu(dtype, (inputs, (time, batch, self.width)), *((part, shape) for part in tokens))
        fit = fit and lie_on_cpu(torch.bool, (filled, shape[:2]))
        return self.sizes.library(dtype) if fit else None

    def _with(self, parts: Iterable[Part]) -> Iterator[tuple[Block, Part]]:
        """Pair every layer with its part."""
        return zip(cast("Iterable[Block]", self.layers), parts, strict=True)

    def _windows(self, carried: list[Tensor]) -> list[LayerWindow]:
        positions = self.positions.to(carried[0].dtype)
        return [
            LayerWindow(part, layer.attention.from_position(positions), layer.projection())
            for layer, part in self._with(carried)
        ]

    def _run_native(
        self, compiled: Any, inputs: Tensor, windows: list[LayerWindow], filled: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return outputs [T, B, D], and for each layer its inputs [B, T, D] and queries, keys and values of them."""
        stream, seen, own = inputs.transpose(0, 1).contiguous(), [], []
        for layer, window in self._with(windows):
            seen.append(stream)
            stream, of_steps = layer.forward_native(compiled, stream, window, filled, episode_starts)
            own.append(of_steps)
        return self.normalize(stream).transpose(0, 1), seen, own

    def forward_naive(
        self, inputs: Tensor, state: TransformerState, episode_starts: Tensor
    ) -> tuple[Tensor, TransformerState]:
        """Run in operations on tensors, with masks: the definition that the C code is held to, see `forward`."""
        # What no step can see is replaced before it is used: masked alone, a NaN would still reach the gradient.
        readable = state.filled & ~episode_starts[0].unsqueeze(1)
        same = same_episode(readable, episode_starts)
        visible = same & within_reach(len(inputs), self.window, inputs.device)
        filled = same[:, -1, -self.window :].clone()
        stream = inputs.transpose(0, 1).to(self.normalize.weight.dtype)  # autocast halves neither stream nor state
        positions = self.positions.to(stream.dtype)
        windows = []
        for layer, carried in self._with(state.tokens):
            tokens = torch.cat([_only(readable, carried), stream], dim=1)
            windows.append(_only(filled, tokens[:, -self.window :]))
            stream = layer(tokens, positions, visible)
        return self.normalize(stream).transpose(0, 1), TransformerState(tuple(windows), filled)


def _only(filled: Tensor, tokens: Tensor) -> Tensor:
    """Return `tokens` [B, N, D] with zeros in the slots that are not filled [B, N]."""
    return tokens.masked_fill(~broadcast_like(filled, tokens), 0.0)
