"""The fast-weight memory: per head a matrix that maps keys to values, rewritten at every step by the delta rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.addressing.content import inverse_norm
from engram.memory.arguments import check_int
from engram.memory.fast_weight.chunk import delta_chunks
from engram.memory.fast_weight.naive import DeltaSteps, delta_loop
from engram.memory.fast_weight.native import NativeDelta
from engram.memory.interface import Encode, Memory, MemoryOutput, StepSequence
from engram.memory.precision import full_precision
from engram.memory.state import State, reset

Scan = Callable[[DeltaSteps, Tensor, Tensor], tuple[Tensor, Tensor]]


class FastWeightState(NamedTuple):
    """What each head has stored in the episode of each row."""

    weights: Tensor  # [B, R, V, K]


class FastWeightMemory(Memory[FastWeightState]):
    """Associations of keys with values under the gated delta rule (see `memory.fast_weight.naive`).

    Queries, keys, values and both gates are a linear function of the hidden vector and the encoded event. A write
    replaces what was stored under its key and leaves alone what is stored under keys orthogonal to it, so up to K
    associations per head are kept apart; all fade with the decay gate. What is read is normalized, and with a bias of
    its own where nothing was written. A wiped memory is one without any association.

    Args:
        encode, event, encoded_size, hidden_size: see `Memory`.
        heads: R.
        key_size: K of each head.
        value_size: V of each head.
        half_life: steps after which half of what is stored is left, before the decay gate has learned anything.

    Raises:
        ValueError: if a size is not a whole number of at least 1, or `half_life` is not positive and finite.
    """

    def __init__(
        self,
        encode: Encode,
        event: State,
        encoded_size: int,
        hidden_size: int,
        heads: int = 4,
        key_size: int = 32,
        value_size: int = 32,
        half_life: float = 1000.0,
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        self.heads = check_int("heads", heads)
        self.key_size = check_int("key_size", key_size)
        self.value_size = check_int("value_size", value_size)
        if isinstance(half_life, bool) or not isinstance(half_life, int | float) or not 0 < half_life < math.inf:
            raise ValueError(f"half_life={half_life!r} must be a positive number of steps")
        self.read_size = self.heads * self.value_size
        self.native = NativeDelta(self.heads, self.key_size, self.value_size)
        keys = self.heads * self.key_size
        # Queries, keys, values, write and decay gates in one product.
        self.parts = [keys, keys, self.read_size, self.heads, self.heads]
        self.from_seen = nn.Linear(hidden_size + encoded_size, sum(self.parts))
        nn.init.orthogonal_(self.from_seen.weight)
        with torch.no_grad():
            queries_weight, keys_weight, *_ = self.from_seen.weight.split(self.parts)
            # The memory starts as an associative one: the current event retrieves what was written at events like it.
            queries_weight.copy_(keys_weight)
            self.from_seen.bias.zero_()
            rate = math.log(2) / half_life
            # α = exp(-rate) before its sigmoid, log α - log(1 - α).
            self.from_seen.bias[-self.heads :] = -rate - math.log(-math.expm1(-rate))
        self.normalize = nn.LayerNorm(self.read_size)

    def path(self) -> str:
        return self.native.path(self.from_seen.weight)

    def initial_state(self, batch_size: int) -> FastWeightState:
        shape = (batch_size, self.heads, self.value_size, self.key_size)
        return FastWeightState(self.from_seen.weight.new_zeros(shape))

    def forward(
        self, steps: StepSequence, state: FastWeightState, decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        projected = self._projected(steps)
        with full_precision(projected):
            output = self.native(projected.to(state.weights.dtype), state.weights, steps.episode_starts)
            if output is None:
                return self._run(delta_rule, projected, steps.episode_starts, state)
            read = self.normalize(output.reads.flatten(2))
            trace = {"write_strength": output.strengths.mean(2), "decay": output.decays.mean(2)}
        return MemoryOutput(read, FastWeightState(output.weights), (), None, trace)

    def forward_naive(self, steps: StepSequence, state: FastWeightState) -> MemoryOutput:
        """Run step by step: the definition that `forward` is held to."""
        return self._run(delta_loop, self._projected(steps), steps.episode_starts, state)

    def _projected(self, steps: StepSequence) -> Tensor:
        return cast(Tensor, self.from_seen(torch.cat([steps.hidden, steps.encoded], dim=-1)))

    def _run(self, scan: Scan, projected: Tensor, episode_starts: Tensor, state: FastWeightState) -> MemoryOutput:
        with full_precision(projected):
            delta = self._by_head(projected.to(state.weights.dtype))
            reads, weights = scan(delta, state.weights, episode_starts)
            read = self.normalize(reads.flatten(2))
        trace = {"write_strength": delta.strengths.detach().mean(2), "decay": delta.log_decays.detach().exp().mean(2)}
        return MemoryOutput(read, FastWeightState(weights), (), None, trace)

    def _by_head(self, projected: Tensor) -> DeltaSteps:
        """Cut [T, B, ...] into what each head reads with and writes."""
        queries, keys, values, strengths, decays = projected.split(self.parts, dim=-1)
        queries, keys, values = (part.unflatten(-1, (self.heads, -1)) for part in (queries, keys, values))
        log_decays = nn.functional.logsigmoid(decays)
        # To length 1, but the shortest ones to less.
        queries, keys = queries * inverse_norm(queries), keys * inverse_norm(keys)
        return DeltaSteps(queries, keys, values, torch.sigmoid(strengths), log_decays)


def delta_rule(steps: DeltaSteps, weights: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor]:
    """Run the gated delta rule: a sequence in chunks, a single step as the definition has it.

    Args, Returns: see `delta_loop`.
    """
    weights = reset(weights, torch.zeros_like(weights), episode_starts[0])
    # In a matrix product NaN times zero is NaN: where a number is not finite, the loop keeps it within its episode.
    if len(episode_starts) == 1 or not _all_finite(*steps, weights):
        return delta_loop(steps, weights, episode_starts)
    return delta_chunks(steps, weights, episode_starts)


def _all_finite(*tensors: Tensor) -> bool:
    """Check all tensors at once, because on a GPU every check waits; a sum hides nothing that is not finite."""
    return bool(torch.stack([tensor.detach().sum() for tensor in tensors]).isfinite().all())
