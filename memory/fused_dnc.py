"""The DNC's fast path: writing and reading with its backward pass written out, as in `memory.fused_lstm`.

Autograd would record a hundred small operations per step. `memory.dnc.DNC.access` is the definition that this is held
to; the parts with formulas of their own are in `memory.content`, `memory.allocation` and `memory.links`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from memory.allocation import Allocated, allocation_backward, allocation_forward
from memory.content import Found, content_backward, content_forward
from memory.links import Linked, links_backward, links_forward
from memory.precision import in_full_precision


class Access(NamedTuple):
    """What writing and reading leave behind, see `memory.dnc.DNCState`."""

    memory: Tensor  # [B, N, W]
    precedence: Tensor  # [B, N]
    links: Tensor  # [B, N, N]
    write_weights: Tensor  # [B, N]
    read_weights: Tensor  # [B, R, N]
    read: Tensor  # [B, R, W]


def fused_access(
    said: Tensor,
    usage: Tensor,
    order: Tensor,
    memory: Tensor,
    precedence: Tensor,
    links: Tensor,
    read_weights: Tensor,
) -> Access:
    """Write and read once, by a DNC with links that are not sharpened and keys without masks.

    Args:
        said: [B, ...] what the controller says before it is bounded, in the order of `memory.dnc.DNC.interface`.
        usage: [B, N] after this step's update.
        order: [B, N] int64, see `memory.allocation.free_list`.
        memory: [B, N, W] of the step before, as are the others.
        precedence: [B, N].
        links: [B, N, N].
        read_weights: [B, R, N].
    """
    apply: Callable[..., tuple[Tensor, ...]] = _FusedAccess.apply
    return Access(*apply(said, usage, order, memory, precedence, links, read_weights))


class _FusedAccess(torch.autograd.Function):
    """See `fused_access`; a gradient is named after what it belongs to, `of_...`."""

    @staticmethod
    def forward(
        ctx: Any,
        said: Tensor,
        usage: Tensor,
        order: Tensor,
        memory: Tensor,
        precedence: Tensor,
        links: Tensor,
        read_weights: Tensor,
    ) -> tuple[Tensor, ...]:
        reads, width = read_weights.shape[1], memory.shape[2]
        vectors, at_least_one, gates, modes = said.split(_groups(reads, width), dim=1)
        keys, write_vector = vectors.split([(reads + 1) * width, width], dim=1)
        read_keys, write_key = keys.unflatten(1, (reads + 1, width)).split([reads, 1], dim=1)
        strengths = functional.softplus(at_least_one) + 1
        read_strengths, write_strength = strengths.split([reads, 1], dim=1)
        gates = gates.sigmoid()
        erase, allocation_gate, write_gate = gates.split([width, 1, 1], dim=1)
        modes = modes.unflatten(1, (reads, 3)).softmax(2)

        allocated = allocation_forward(usage, order)
        sought = content_forward(memory, write_key, write_strength)
        mixed = torch.lerp(sought.weights.squeeze(1), allocated.weights, allocation_gate)
        write_weights = write_gate * mixed
        change = write_vector.unsqueeze(1) - erase.unsqueeze(1) * memory
        now = torch.addcmul(memory, write_weights.unsqueeze(2), change)

        found = content_forward(now, read_keys, read_strengths)
        linked = links_forward(links, precedence, write_weights, read_weights)
        preceded = torch.addcmul(write_weights, 1 - write_weights.sum(1, keepdim=True), precedence)
        backward_mode, content_mode, forward_mode = modes.split(1, dim=2)
        weights = (backward_mode * linked.backward).addcmul_(content_mode, found.weights)
        weights.addcmul_(forward_mode, linked.forward)
        read = torch.bmm(weights, now)

        ctx.save_for_backward(
            *(at_least_one, strengths, keys, gates, modes, order, memory, precedence, links, read_weights),
            *(mixed, write_weights, change, now, weights, *linked, *allocated, *sought, *found),
        )
        return now, preceded, linked.links, write_weights, weights, read

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        at_least_one, strengths, keys, gates, modes, order, memory, precedence, links, read_before, *rest = (
            ctx.saved_tensors
        )
        mixed, write_weights, change, now, weights, *rest = rest
        linked, allocated = Linked(*rest[:3]), Allocated(*rest[3:7])
        sought, found = Found(*rest[7:12]), Found(*rest[12:])
        of_now, of_preceded, of_links, of_write, of_weights, of_read = gradients
        reads, width = weights.shape[1], now.shape[2]
        read_keys, write_key = keys.unflatten(1, (reads + 1, width)).split([reads, 1], dim=1)
        read_strengths, write_strength = strengths.split([reads, 1], dim=1)
        erase, allocation_gate, write_gate = gates.split([width, 1, 1], dim=1)

        # Reading.
        of_weights = torch.baddbmm(of_weights, of_read, now.transpose(1, 2))
        of_now = torch.baddbmm(of_now, weights.transpose(1, 2), of_read)
        ways = torch.stack([linked.backward, found.weights, linked.forward], dim=2)  # [B, R, 3, N]
        of_modes = torch.matmul(ways, of_weights.unsqueeze(3)).squeeze(3)
        of_backward, of_found, of_forward = (modes.unsqueeze(3) * of_weights.unsqueeze(2)).unbind(2)
        of_content, of_read_keys, of_read_strengths = content_backward(of_found, now, read_keys, read_strengths, found)
        of_now += of_content
        of_links, of_precedence, of_write_by_links, of_read_before = links_backward(
            Linked(of_links, of_forward, of_backward), links, precedence, write_weights, read_before, linked.links
        )
        of_write = of_write + of_write_by_links + of_preceded
        of_write -= (of_preceded * precedence).sum(1, keepdim=True)
        of_precedence.addcmul_(1 - write_weights.sum(1, keepdim=True), of_preceded)

        # Writing.
        of_write += (of_now * change).sum(2)
        of_vector = torch.bmm(write_weights.unsqueeze(1), of_now).squeeze(1)
        of_change = write_weights.unsqueeze(2) * of_now
        of_erase = -(of_change * memory).sum(1)
        of_memory = of_now.addcmul_(of_change, erase.unsqueeze(1), value=-1)
        of_write_gate = (of_write * mixed).sum(1, keepdim=True)
        of_mixed = of_write.mul_(write_gate)
        sought_weights = sought.weights.squeeze(1)
        of_allocation_gate = (of_mixed * (allocated.weights - sought_weights)).sum(1, keepdim=True)
        of_allocated = of_mixed * allocation_gate
        of_content, of_write_key, of_write_strength = content_backward(
            (of_mixed - of_allocated).unsqueeze(1), memory, write_key, write_strength, sought
        )
        of_memory += of_content
        of_usage = allocation_backward(of_allocated, order, allocated)

        # What the controller said, through its bounds.
        of_strengths = torch.cat([of_read_strengths, of_write_strength], dim=1) * torch.sigmoid(at_least_one)
        of_gates = torch.cat([of_erase, of_allocation_gate, of_write_gate], dim=1) * (gates * (1 - gates))
        of_modes = torch._softmax_backward_data(of_modes, modes, 2, modes.dtype)
        vectors = (of_read_keys.flatten(1), of_write_key.flatten(1), of_vector)
        of_said = torch.cat([*vectors, of_strengths, of_gates, of_modes.flatten(1)], dim=1)
        return of_said, of_usage, None, of_memory, of_precedence, of_links, of_read_before


def _groups(reads: int, width: int) -> list[int]:
    """Sizes of what is said: keys and vectors, strengths, gates, modes."""
    return [(reads + 2) * width, reads + 1, width + 2, 3 * reads]
