"""Which writes made what is read: every slot's content traced to the steps that wrote it, through every erase since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engram.memory import SlotAccess


class ReadSource(NamedTuple):
    """A part of what a head read."""

    step: int  # whose write it was
    slot: int  # where it was found, mostly
    weight: float  # of the head


class HeadRead(NamedTuple):
    """What one head read at one step."""

    parts: list[ReadSource]  # the largest first
    nothing: float  # weight of what no write had made


def trace(
    accesses: Sequence[SlotAccess], reads_before_writing: bool, least: float = 0.01, most: int = 8
) -> list[list[HeadRead]]:
    """Trace the reads of an episode to the writes that made them.

    A write leaves its weight in a slot; every later write keeps a share of it, word by word. What a head reads from a
    slot is divided among the writes of which something is left there, by how much is left.

    Args:
        accesses: of every step, of a single row (leaves [1, ...]).
        reads_before_writing: see `Memory`.
        least: weights below are left out.
        most: so many parts of a read are listed, the largest.

    Returns:
        what was read, for every step and every head.
    """
    if not accesses:
        return []
    slots, width = accesses[0].kept.shape[1:]
    length = len(accesses)
    share = torch.zeros(length, slots, width)  # [S, N, W] what is left of each step's write
    found = []
    for time, access in enumerate(accesses):
        if not reads_before_writing:
            _write(share, time, access)
        parts = _read(share[: time + 1], access.read[0].cpu(), least, most)
        if reads_before_writing:
            _write(share, time, access)
        found.append(parts)
    return found


def _write(share: Tensor, time: int, access: SlotAccess) -> None:
    share[:time] *= access.kept[0].cpu()
    share[time] = access.written[0].cpu().unsqueeze(1)


def _read(share: Tensor, weights: Tensor, least: float, most: int) -> list[HeadRead]:
    """Divide the weights [R, N] of the heads among the writes [S, N, W]."""
    left = share.mean(2)  # [S, N]
    # A slot written faintly is still mostly what it was at the start, nothing.
    part = left / left.sum(0).clamp(min=1.0)
    origins = []
    for head in weights:
        by_slot = part * head  # [S, N]
        by_step = by_slot.sum(1)
        order = np.argsort(-by_step.numpy(), kind="stable")[:most]
        parts = [ReadSource(int(s), int(by_slot[s].argmax()), float(by_step[s])) for s in order if by_step[s] >= least]
        origins.append(HeadRead(parts, max(0.0, 1 - float(by_step.sum()))))
    return origins
