"""Which write each read came from: the content of every slot traced to the steps that wrote it, through all erases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engram.memory import SlotAccess


class ReadSource(NamedTuple):
    """A part of what a head read."""

    step: int  # that wrote it
    slot: int  # from which most of it was read
    weight: float  # of the head


class HeadRead(NamedTuple):
    """What one head read at one step."""

    sources: list[ReadSource]  # the largest first
    nothing: float  # weight that came from no write


def trace_reads_to_writes(
    accesses: Sequence[SlotAccess], reads_before_writing: bool, least: float = 0.01, most: int = 8
) -> list[list[HeadRead]]:
    """Trace the reads of an episode to the writes they came from.

    A write adds its weight to a slot; every later write keeps a share of it, word by word. The weight with which a head
    reads a slot is divided among the writes of which something is left there, in proportion to how much is left.

    Args:
        accesses: of every step, of a single row (leaves [1, ...]).
        reads_before_writing: see `Memory`.
        least: sources with a smaller weight are left out.
        most: sources that are listed for each read, the largest.

    Returns:
        the reads of every step and every head.
    """
    if not accesses:
        return []
    slots, width = accesses[0].kept.shape[1:]
    left = torch.zeros(len(accesses), slots, width)  # [S, N, W] what is left of each step's write
    reads = []
    for time, access in enumerate(accesses):
        if not reads_before_writing:
            _write(left, time, access)
        reads.append(_read(left[: time + 1], access.read[0].cpu(), least, most))
        if reads_before_writing:
            _write(left, time, access)
    return reads


def total_read_weight(reads: Sequence[Sequence[HeadRead]], length: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the total weight with which the write of each step was read in an episode, as [T]."""
    total = np.zeros(length)
    for source in (source for heads in reads for head in heads for source in head.sources):
        total[source.step] += source.weight
    return total


def _write(left: Tensor, time: int, access: SlotAccess) -> None:
    left[:time] *= access.kept[0].cpu()
    left[time] = access.written[0].cpu().unsqueeze(1)


def _read(left: Tensor, weights: Tensor, least: float, most: int) -> list[HeadRead]:
    """Divide the weights [R, N] of the heads among the writes [S, N, W]."""
    share = left.mean(2)  # [S, N]
    # A slot with a weak write still holds mostly its initial content, which no step wrote.
    share = share / share.sum(0).clamp(min=1.0)
    reads = []
    for head in weights:
        by_slot = share * head  # [S, N]
        by_step = by_slot.sum(1)
        order = np.argsort(-by_step.numpy(), kind="stable")[:most]
        sources = [
            ReadSource(int(s), int(by_slot[s].argmax()), float(by_step[s])) for s in order if by_step[s] >= least
        ]
        reads.append(HeadRead(sources, max(0.0, 1 - float(by_step.sum()))))
    return reads
