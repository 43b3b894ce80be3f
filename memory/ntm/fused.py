"""The NTM's step with its backward pass written out: `memory.ntm.memory.NTM.step` is the definition."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from engram.memory.addressing.content import Found, content_backward, content_forward
from engram.memory.addressing.erase_add import write_backward, write_forward
from engram.memory.feedback.fused_step import FusedOutput, FusedStep, Leaves


class FusedNTM(FusedStep):
    """An NTM with one write head.

    Args:
        word_size: W.
        read_heads: R.
        shift: S.
        bound: of the interface vector, to either side.
    """

    def __init__(self, word_size: int, read_heads: int, shift: int, bound: float) -> None:
        self.reads, self.shift, self.bound = read_heads, shift, bound
        self.per_head = [word_size, 2, 1, 2 * shift + 1]
        heads = (read_heads + 1) * sum(self.per_head)
        self.groups = [heads, word_size, word_size]

    def forward(self, vector: Tensor, before: Leaves, decision: Tensor | None) -> FusedOutput:
        memory, read_before, write_before, _ = before
        squashed = torch.tanh(vector / self.bound)
        heads, erase, add = (squashed * self.bound).split(self.groups, dim=1)
        keys, at_least, gates, shifts = heads.unflatten(1, (self.reads + 1, -1)).split(self.per_head, dim=2)
        bounded = _Heads(keys.tanh(), functional.softplus(at_least), gates.sigmoid(), shifts.softmax(2))
        erase, add = erase.sigmoid(), add.tanh()
        reader, writer = bounded.split(self.reads)

        written = _address(memory, write_before, writer)
        write_weights = written.weights.squeeze(1)
        now, change = write_forward(memory, write_weights, erase, add)
        sought = _address(now, read_before, reader)
        read = torch.bmm(sought.weights, now).flatten(1)
        return FusedOutput(
            (now, sought.weights, written.weights, read),
            (
                *(squashed, at_least, *bounded, erase, add, memory, read_before, write_before, now, change),
                *(*written.found, *written[1:], *sought.found, *sought[1:]),
            ),
            None,
        )

    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        squashed, at_least, *rest = kept
        bounded, rest = _Heads(*rest[:4]), rest[4:]
        erase, add, memory, read_before, write_before, now, change, *rest = rest
        written, sought = _Addressed(Found(*rest[:5]), *rest[5:9]), _Addressed(Found(*rest[9:14]), *rest[14:])
        reader, writer = bounded.split(self.reads)
        of_now, of_sought, of_written, of_read = of_after

        of_read = of_read.unflatten(1, (self.reads, -1))
        of_sought = torch.baddbmm(of_sought, of_read, now.transpose(1, 2))
        of_now = torch.baddbmm(of_now, sought.weights.transpose(1, 2), of_read)
        of_read_before, of_reader = _address_backward(of_sought, now, read_before, reader, sought, of_now)
        of_memory, of_weights, of_erase, of_add = write_backward(
            of_now, memory, written.weights.squeeze(1), erase, change
        )
        of_written = of_written + of_weights.unsqueeze(1)
        of_write_before, of_writer = _address_backward(of_written, memory, write_before, writer, written, of_memory)

        # The interface vector, through its bounds.
        of_keys, of_at_least, of_gates, of_shifts = (
            torch.cat(both, dim=1) for both in zip(of_reader, of_writer, strict=True)
        )
        of_heads = torch.cat(
            [
                of_keys * (1 - bounded.keys.square()),
                of_at_least * at_least.sigmoid(),
                of_gates * (bounded.gates * (1 - bounded.gates)),
                torch._softmax_backward_data(of_shifts, bounded.shifts, 2, of_shifts.dtype),
            ],
            dim=2,
        ).flatten(1)
        of_bounded = torch.cat([of_heads, of_erase * (erase * (1 - erase)), of_add * (1 - add.square())], dim=1)
        return of_bounded * (1 - squashed.square()), (of_memory, of_read_before, of_write_before)


class _Heads(NamedTuple):
    """The parts of the interface vector by head, bounded."""

    keys: Tensor  # [B, H, W]
    at_least: Tensor  # [B, H, 2] strength, and sharpness less 1
    gates: Tensor  # [B, H, 1]
    shifts: Tensor  # [B, H, 2S + 1]

    def split(self, reads: int) -> tuple[_Heads, _Heads]:
        """Return those that read, and the one that writes."""
        parts = [part.split([reads, 1], dim=1) for part in self]
        return _Heads(*(part[0] for part in parts)), _Heads(*(part[1] for part in parts))


class _Addressed(NamedTuple):
    """Where the heads are, and what the backward pass needs."""

    found: Found
    weights: Tensor  # [B, H, N]
    around: Tensor  # [B, H, N + 2S], gated, continued past both ends
    shifted: Tensor  # [B, H, N] plus a tiny number
    log: Tensor  # [B, H, N] of the shifted


def _address(memory: Tensor, before: Tensor, heads: _Heads) -> _Addressed:
    """Move the heads (eqs. 5-9), as `memory.ntm.memory.NTM.address` does."""
    strengths, sharpness = heads.at_least.unbind(2)
    found = content_forward(memory, heads.keys, strengths)
    gated = torch.lerp(before, found.weights, heads.gates)
    around = _continued(gated, heads.shifts.shape[2] // 2)
    shifted = _blend(around, heads.shifts.flip(2)).add_(torch.finfo(gated.dtype).eps)
    log = shifted.log()
    return _Addressed(found, (log * (1 + sharpness).unsqueeze(2)).softmax(2), around, shifted, log)


def _address_backward(
    of_weights: Tensor, memory: Tensor, before: Tensor, heads: _Heads, moved: _Addressed, of_memory: Tensor
) -> tuple[Tensor, _Heads]:
    """Add to the gradient of the memory; return those of where the heads were, and of their parameters."""
    strengths, sharpness = heads.at_least.unbind(2)
    reach = heads.shifts.shape[2] // 2
    of_logits = torch._softmax_backward_data(of_weights, moved.weights, 2, of_weights.dtype)
    of_sharpness = (of_logits * moved.log).sum(2)
    of_shifted = of_logits * (1 + sharpness).unsqueeze(2) / moved.shifted
    windows = moved.around.unfold(2, before.shape[2], 1)
    of_shifts = (windows * of_shifted.unsqueeze(2)).sum(3).flip(2)
    of_gated = _blend(_continued(of_shifted, reach), heads.shifts)
    of_gates = (of_gated * (moved.found.weights - before)).sum(2, keepdim=True)
    of_found = of_gated * heads.gates
    of_keys, of_strengths = content_backward(of_found, memory, heads.keys, strengths, moved.found, of_memory)
    of_at_least = torch.stack([of_strengths, of_sharpness], dim=2)
    return of_gated - of_found, _Heads(of_keys, of_at_least, of_gates, of_shifts)


def _continued(weights: Tensor, reach: int) -> Tensor:
    """Continue weights [B, H, N] past both ends, as the slots are a ring."""
    if reach == 0:
        return weights
    return torch.cat([weights[..., -reach:], weights, weights[..., :reach]], dim=2)


def _blend(around: Tensor, shares: Tensor) -> Tensor:
    """Add up the windows over [B, H, N + 2S], weighed by shares [B, H, 2S + 1]."""
    width = around.shape[2] - shares.shape[2] + 1
    first, *others = shares.split(1, dim=2)
    total: Tensor = around[..., :width] * first
    for offset, share in enumerate(others, start=1):
        total.addcmul_(around[..., offset : offset + width], share)
    return total
