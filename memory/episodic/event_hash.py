"""A number for each event by which equal events are known: exact, and independent of any weights."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from engram.memory.state import State, leaves

_WORD = 4  # bytes
_MULTIPLIER = 0xC4CEB9FE1A85EC53 - 2**64  # odd, its bits without a pattern: the second one of MurmurHash3
_GOLDEN_RATIO = 0x9E3779B97F4A7C15 - 2**64  # its multiples are spread over all 64 bits


def event_hash(events: State) -> Tensor:
    """Hash events: equal ones to equal numbers, different ones, but for about one pair in 2^64, to different ones.

    Events are equal if all their bits are: 0.0 and -0.0 differ, and a NaN equals a NaN of the same bits. The bytes of
    an event, one leaf after the other, are read as words of 32 bits. Each word is mixed to 64 bits, by numbers that
    belong to its position, then all are added up. Without the mixing the sum would be linear in the event, and what
    one word adds another one could take away. (To mix the sum again would separate nothing: equal sums stay equal.)

    Args:
        events: tree with leaves [X, Y, ...] of any dtype.

    Returns:
        [X, Y] int64.
    """
    joined = torch.cat([_bytes_of(leaf) for leaf in leaves(events)], dim=2)
    words = nn.functional.pad(joined, (0, -joined.shape[2] % _WORD)).view(torch.int32)
    factors, offsets = _of_positions(words.shape[2], words.device)
    return _mix((words * factors).add_(offsets)).sum(2)


def _bytes_of(leaf: Tensor) -> Tensor:
    """View a leaf [X, Y, ...] as its bytes [X, Y, K]."""
    flat = leaf.flatten(2) if leaf.dim() > 2 else leaf.unsqueeze(2)
    return flat.contiguous().view(torch.uint8)


def _mix(words: Tensor) -> Tensor:
    """Mix words of 64 bits in place: what differs still does, in about half of the bits (after Appleby, MurmurHash3).

    A fold brings differences from the upper half down, a product carries them up.
    """
    return _fold(_fold(words).mul_(_MULTIPLIER))


def _fold(words: Tensor) -> Tensor:
    words ^= (words >> 32).bitwise_and_(0xFFFFFFFF)  # zeros from the left: the shift of an int64 repeats its sign
    return words


@cache
def _of_positions(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return for each position in an event a fixed odd factor and a fixed number to add, without a pattern."""
    numbers = torch.arange(1, 2 * size + 1, device=device) * _GOLDEN_RATIO
    factors, offsets = _mix(_mix(numbers)).chunk(2)
    return factors | 1, offsets
