"""Dynamic allocation: which slots are in use, and which one to write next (Graves et al. 2016, methods)."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-6
"""The least usage, and the least that freeing leaves of it: a product of exact zeros would have no gradient, and the
backward passes divide by its factors."""
_RESOLUTION = 2**12


def retention(free_gates: Tensor, read_weights: Tensor) -> Tensor:
    """Return how much of each slot is not freed: ψ = Π_r (1 - f_r w_r), kept from zero by (1 - ε).

    Args:
        free_gates: [B, R] in 0..1.
        read_weights: [B, R, N] of the step before.

    Returns:
        [B, N] in 0..1.
    """
    # Factor by factor: the gradient of `prod` reads from the device, at every step, whether any is zero.
    return reduce(torch.mul, (1 - (1 - EPSILON) * free_gates.unsqueeze(2) * read_weights).unbind(1))


def update_usage(usage: Tensor, write_weights: Tensor, retained: Tensor) -> Tensor:
    """Update the usage: u = (u + w - u ∘ w) ∘ ψ.

    Args:
        usage: [B, N] in 0..1.
        write_weights: [B, N] of the step before; no gradient passes through them.
        retained: [B, N], ψ.

    Returns:
        [B, N] in 0..1.
    """
    return torch.addcmul(usage, 1 - usage, write_weights.detach()) * retained


def usage_forward(
    usage: Tensor, write_weights: Tensor, free_gates: Tensor, read_weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Update the usage for a fused step, outside the graph; arguments as for `update_usage` and `retention`.

    Returns:
        the usage [B, N], ψ [B, N], and its factors [B, R, N].
    """
    factors = torch.rsub(free_gates.unsqueeze(2) * read_weights, 1.0, alpha=1 - EPSILON)
    retained = factors.prod(1)
    return torch.addcmul(usage, 1 - usage, write_weights).mul_(retained), retained, factors


def usage_backward(
    of_usage: Tensor,
    usage: Tensor,
    write_weights: Tensor,
    free_gates: Tensor,
    read_weights: Tensor,
    retained: Tensor,
    factors: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of usage, free gates and read weights, given that of the usage after (`usage_forward`)."""
    unwritten = 1 - write_weights
    # u + w - u ∘ w = 1 - (1 - u) (1 - w)
    of_retained = of_usage * torch.rsub((1 - usage) * unwritten, 1.0)
    of_freed = (of_retained * retained).unsqueeze(1) / factors * (EPSILON - 1)
    of_free_gates = (of_freed * read_weights).sum(2)
    return of_usage * retained * unwritten, of_free_gates, of_freed * free_gates.unsqueeze(2)


def free_list(usage: Tensor) -> Tensor:
    """Sort the slots by usage, the least used first: a discrete choice.

    Usages are rounded to multiples of 2⁻¹², and those that round alike go by their number: two slots that hold the same
    would otherwise trade places with the order in which a sum was taken, and the allocation would jump. Rounding makes
    that rare; only replaying the order that was recorded rules it out.

    Args:
        usage: [B, N] in 0..1.

    Returns:
        [B, N] int64.
    """
    rounded = (usage.detach() * _RESOLUTION).round()
    if torch.compiler.is_exporting():  # where sorting may not be stable
        numbers = torch.arange(usage.shape[1])
        return (rounded.long() * len(numbers) + numbers).sort(dim=1).indices
    return rounded.sort(dim=1, stable=True).indices


def allocation(usage: Tensor, order: Tensor) -> Tensor:
    """Weigh the slots for writing, the least used first: a[φ_j] = (1 - u[φ_j]) Π_{i<j} u[φ_i].

    Args:
        usage: [B, N] in 0..1.
        order: [B, N] int64, φ; it has no gradient.

    Returns:
        [B, N], at least 0, with a sum of at most 1.
    """
    ascending = (EPSILON + (1 - EPSILON) * usage).gather(1, order)
    # By logarithms: the gradient of `cumprod` reads from the device, at every step, whether any is zero.
    products = ascending[:, :-1].log().cumsum(1).exp()
    before = torch.cat([torch.ones_like(ascending[:, :1]), products], dim=1)
    return torch.zeros_like(usage).scatter(1, order, (1 - ascending) * before)


class Allocated(NamedTuple):
    """An allocation, and what its backward pass needs."""

    weights: Tensor  # [B, N]
    ascending: Tensor  # [B, N] usage in the order of freedom
    before: Tensor  # [B, N] product of the usages before
    share: Tensor  # [B, N] the weights in that order


def allocation_forward(usage: Tensor, order: Tensor) -> Allocated:
    """Compute an allocation for a fused step, outside the graph; arguments as for `allocation`."""
    ascending = usage.gather(1, order).mul_(1 - EPSILON).add_(EPSILON)
    before = torch.cat([torch.ones_like(ascending[:, :1]), ascending[:, :-1].cumprod(1)], dim=1)
    share = (1 - ascending) * before
    return Allocated(torch.empty_like(usage).scatter_(1, order, share), ascending, before, share)


def allocation_backward(of_weights: Tensor, order: Tensor, allocated: Allocated) -> Tensor:
    """Return the gradient of the usage, given that of the weights."""
    of_share = of_weights.gather(1, order)
    # ∂a_j/∂u_k = a_j / u_k for every j behind k. Summed from the end: a difference of sums would lose the small ones.
    behind = torch.zeros_like(of_share)
    behind[:, :-1] = (of_share * allocated.share)[:, 1:].flip(1).cumsum(1).flip(1)
    of_usage = (behind / allocated.ascending).addcmul_(of_share, allocated.before, value=-1).mul_(1 - EPSILON)
    return torch.empty_like(of_usage).scatter_(1, order, of_usage)
