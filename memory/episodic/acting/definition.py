"""One step of acting: read from the slots, then decide which of them the step's event takes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.episodic.attend.definition import Events
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.slot_facts import SlotFacts, put
from engram.memory.interface import StepSequence


class Acted(NamedTuple):
    """What a step of acting returns."""

    read: Tensor  # [B, R * V + R] see `Attended`
    slot: Tensor  # [B] int64, the slot that the step's event takes, or NOT_WRITTEN
    trace: Tensor  # [4, B] see TRACED


TRACED = ("gate", "write_rate", "occupancy", "null_read")
"""What is traced of a step: the gate, whether it was written, the share of slots filled, the null slot's weight."""


def act(
    attention: EventAttention, steps: StepSequence, step: Tensor, hashes: Tensor, projected: Tensor, facts: SlotFacts
) -> Acted:
    """Read and decide.

    Args:
        attention: of the memory.
        steps: a single step, T = 1.
        step: [B] int64, its number.
        hashes: [B] int64, of its events.
        projected, facts: of the slots before the step, after any reset, as in `SlotCache`; written to, in place.
    """
    now = attention.embedded(step).unsqueeze(1)  # [B, 1, E]
    reach = facts.reach(step, attention.age_bias)
    attended = attention(steps.hidden, steps.encoded, now, Events(projected.flatten(0, 1), None, None), reach)
    own = attention.with_step(attention.from_event(steps.encoded[0]), now[:, 0])
    log_gate = nn.functional.logsigmoid(own[:, -1])
    slot = facts.take(log_gate, hashes, step)
    put(slot, projected, own)
    occupancy = reach.alive[:, 0].to(log_gate.dtype).mean(1)
    traced = [log_gate.exp(), (slot >= 0).to(log_gate.dtype), occupancy, attended.null_weight[0]]
    return Acted(attended.read[0], slot, torch.stack(traced))
