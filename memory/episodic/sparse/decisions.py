"""What a step of acting with sparse reads decides and returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from engram.memory.episodic.event_log import EpisodicState


class SparseDecisions(NamedTuple):
    """What was decided at a step, beside the write: what each head read."""

    slot: Tensor  # [..., B] int64, the slot taken by the step's event
    found: Tensor  # [..., B, R, k] int32, slots, or NOTHING
    age: Tensor  # [..., B, R, k] int32, steps since their events happened
    duplicates: Tensor  # [..., B, R, k] int32, how many slots held an equal event


class Acted(NamedTuple):
    """What a step of acting returns."""

    read: Tensor  # [1, B, R * V + R]
    decisions: SparseDecisions  # [1, B, ...]
    trace: Tensor  # [4, 1, B] see `acting.definition.TRACED`
    after: EpisodicState
