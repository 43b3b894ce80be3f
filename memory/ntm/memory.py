"""The Neural Turing Machine (Graves et al. 2014), made stable after Collier & Beel (2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engram.memory.addressing.content import content_weights
from engram.memory.arguments import check_int
from engram.memory.feedback.feedback_memory import BESIDE_THE_STEP, FeedbackMemory, MemoryStep
from engram.memory.feedback.fused_step import Leaves
from engram.memory.interface import Encode, SlotAccess, StepSequence
from engram.memory.ntm.native import NativeNTM
from engram.memory.paths import why_naive
from engram.memory.precision import in_full_precision
from engram.memory.state import State

_BOUND = 20.0
"""Bound of the interface vector, so that no single step can saturate the addressing (Collier & Beel 2018)."""
_START = 1e-6
"""What an empty memory holds everywhere: of several starts the most reliable (Collier & Beel 2018)."""


class NTMState(NamedTuple):
    """Content, and where each head is."""

    memory: Tensor  # [B, N, W]
    read_weights: Tensor  # [B, R, N]
    write_weights: Tensor  # [B, V, N]
    read: Tensor  # [B, R * W]


class NTM(FeedbackMemory[NTMState]):
    """Heads that find a slot by content, or move from where they were by rotation.

    Within a step it writes, then reads. Memory starts at a constant; since all slots are alike then, where the heads
    start is learned, beginning with the first slot.

    Args:
        encode, event, encoded_size, hidden_size: see `Memory`; only the hidden vector is used.
        slots: N.
        word_size: W.
        read_heads, write_heads: R, V.
        shift: largest rotation of a head in one step, to either side; 0 for none.

    Raises:
        ValueError: if a size is not positive, or the shifts do not fit into the memory.
    """

    reads_before_writing = False

    def __init__(
        self,
        encode: Encode,
        event: State,
        encoded_size: int,
        hidden_size: int,
        slots: int = 64,
        word_size: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        shift: int = 1,
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        self.slots = check_int("slots", slots)
        self.word_size = check_int("word_size", word_size)
        self.read_heads = check_int("read_heads", read_heads)
        self.write_heads = check_int("write_heads", write_heads)
        self.shift = check_int("shift", shift, least=0)
        if 2 * shift + 1 > slots:
            raise ValueError(
                f"shift={shift} reaches over {2 * shift + 1} slots, but there are slots={slots}: "
                f"shift may be {(slots - 1) // 2} at most"
            )
        self.read_size = self.feedback_size = read_heads * word_size

        heads = read_heads + write_heads
        # Key, strength, sharpness, gate and shifts of every head, erase and add of the write heads.
        self.per_head = [word_size, 1, 1, 1, 2 * shift + 1]
        self.addressing = heads * sum(self.per_head)
        self.from_hidden = nn.Linear(hidden_size, self.addressing + 2 * write_heads * word_size)
        nn.init.orthogonal_(self.from_hidden.weight)
        nn.init.zeros_(self.from_hidden.bias)
        # All heads start at one slot, or nearly so: spread over many they would keep several copies of everything.
        self.start_weights = nn.Parameter(torch.zeros(heads, slots))
        with torch.no_grad():
            self.start_weights[:, 0] = 2 * math.log(slots)
        self.start_read = nn.Parameter(torch.zeros(self.read_size))
        self.why_not_fused = why_naive(type(self), NTM, BESIDE_THE_STEP)
        if write_heads > 1:
            self.why_not_fused = f"no fused step with write_heads={write_heads}"
        if not self.why_not_fused:
            self.fused = NativeNTM(word_size, read_heads, shift, _BOUND)

    def initial_state(self, batch_size: int) -> NTMState:
        memory = torch.full_like(self.start_read[:1], _START).expand(batch_size, self.slots, self.word_size)
        weights = self.start_weights.softmax(1).expand(batch_size, -1, -1)
        return NTMState(
            memory,
            weights[:, : self.read_heads],
            weights[:, self.read_heads :],
            torch.tanh(self.start_read).expand(batch_size, -1),
        )

    @in_full_precision
    def step(self, hidden: Tensor, encoded: Tensor, state: NTMState, decision: Tensor | None = None) -> MemoryStep:
        vector = self.interface_vector(hidden)
        bounded = _BOUND * torch.tanh(vector / _BOUND)
        heads, changes = bounded.split([self.addressing, vector.shape[1] - self.addressing], dim=1)
        heads = heads.unflatten(1, (self.read_heads + self.write_heads, -1))
        readers, writers = heads.split([self.read_heads, self.write_heads], dim=1)

        write_weights = self.address(writers, state.memory, state.write_weights)
        erase, add = changes.unflatten(1, (2, self.write_heads, -1)).unbind(1)  # [B, V, W]
        memory = erase_and_add(state.memory, write_weights, torch.sigmoid(erase), torch.tanh(add))

        read_weights = self.address(readers, memory, state.read_weights)
        after = NTMState(memory, read_weights, write_weights, (read_weights @ memory).flatten(1))
        return MemoryStep(after, self.watched_after(vector, after))

    def watched(self, vectors: Tensor, passed: Sequence[Leaves]) -> dict[str, Tensor]:
        erase = vectors[..., self.addressing :].unflatten(-1, (2, -1))[..., 0, :]
        read_weights = torch.stack([NTMState(*leaves).read_weights for leaves in passed])
        return {
            "erase": torch.sigmoid(_BOUND * torch.tanh(erase / _BOUND)).mean(-1),
            "read_focus": read_weights.amax(-1).mean(-1),
        }

    def unwritten(self, before: NTMState, after: NTMState) -> NTMState:
        return after._replace(memory=before.memory, write_weights=before.write_weights)

    @torch.no_grad()
    def access(self, steps: StepSequence, state: NTMState, decisions: State | None = None) -> SlotAccess:
        hidden = steps.hidden[0]
        after: NTMState = self.step(hidden, steps.encoded[0], state).state
        changes = (_BOUND * torch.tanh(self.interface_vector(hidden) / _BOUND))[:, self.addressing :]
        erase, add = changes.unflatten(1, (2, self.write_heads, -1)).unbind(1)  # [B, V, W]
        erase = torch.sigmoid(erase)
        # The NTM has no write gate: a head that neither erases nor adds writes nothing, wherever it stands.
        strengths = torch.maximum(erase.mean(2), torch.tanh(add).abs().mean(2))
        written = (after.write_weights * strengths.unsqueeze(2)).sum(1).clamp(max=1.0)
        kept = (1 - after.write_weights.unsqueeze(3) * erase.unsqueeze(2)).prod(1)
        return SlotAccess(after.read_weights, written, kept, strengths.amax(1))

    def address(self, parameters: Tensor, memory: Tensor, before: Tensor) -> Tensor:
        """Move the heads.

        Args:
            parameters: [B, H, ...] each head's part of the interface vector, bounded.
            memory: [B, N, W].
            before: [B, H, N] where they were.

        Returns:
            [B, H, N], on the simplex.
        """
        keys, strengths, sharpness, gates, shifts = parameters.split(self.per_head, dim=2)
        # Eqs. 5-6: by content.
        found = content_weights(memory, torch.tanh(keys), functional.softplus(strengths).squeeze(2))
        # Eq. 7: or from where it was.
        gated = torch.lerp(before, found, torch.sigmoid(gates))
        return sharpen(shift_weights(gated, shifts.softmax(2)), 1 + functional.softplus(sharpness))


def shift_weights(weights: Tensor, shifts: Tensor) -> Tensor:
    """Rotate weights over the slots by a distribution of shifts (eq. 8).

    Args:
        weights: [B, H, N].
        shifts: [B, H, 2S + 1], the shares of -S, ..., S; a shift of 1 moves from slot i to slot i + 1.

    Returns:
        [B, H, N].
    """
    reach = shifts.shape[2] // 2
    if reach == 0:
        return weights * shifts
    around = torch.cat([weights[..., -reach:], weights, weights[..., :reach]], dim=2)
    # Position n of the window over shift s is slot n - s.
    windows = around.unfold(2, weights.shape[2], 1)  # [B, H, 2S + 1, N], from n - S to n + S
    return (shifts.flip(2).unsqueeze(2) @ windows).squeeze(2)


def sharpen(weights: Tensor, exponents: Tensor) -> Tensor:
    """Sharpen weights [B, H, N] by exponents [B, H, 1] of at least 1 (eq. 9), in log space against underflow."""
    tiny = torch.finfo(weights.dtype).eps
    return ((weights + tiny).log() * exponents).softmax(2)


def erase_and_add(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """Erase, then add (eqs. 3-4); with several heads all erase before any adds.

    Args:
        memory: [B, N, W].
        weights: [B, V, N] of the write heads.
        erase, add: [B, V, W].

    Returns:
        [B, N, W].
    """
    if weights.shape[1] == 1:
        kept = 1 - weights.transpose(1, 2) * erase
    else:
        # Factor by factor: the gradient of `prod` reads from the device, at every step, whether any is zero.
        kept = reduce(torch.mul, (1 - weights.unsqueeze(3) * erase.unsqueeze(2)).unbind(1))
    return torch.baddbmm(memory * kept, weights.transpose(1, 2), add)
