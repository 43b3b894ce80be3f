"""One step of acting: read from the slots, decide which of them the step's event takes, and append it to the log."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.episodic.attend.definition import Events
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState, appended
from engram.memory.episodic.keeping import importance
from engram.memory.episodic.slot_facts import SlotFacts, put
from engram.memory.interface import StepSequence
from engram.memory.state import tree_map


class Acted(NamedTuple):
    """What a step of acting returns."""

    read: Tensor  # [1, B, R * V + R] see `Attended`
    slot: Tensor  # [1, B] int64, the slot that the step's event takes, or NOT_WRITTEN
    trace: Tensor  # [4, 1, B] see TRACED
    after: EpisodicState


TRACED = ("gate", "write_rate", "occupancy", "null_read")
"""What is traced of a step: the gate, whether it was written, the share of slots filled, the null slot's weight."""


def act(
    attention: EventAttention,
    steps: StepSequence,
    state: EpisodicState,
    hashes: Tensor,
    projected: Tensor,
    facts: SlotFacts,
    entry: int,
    keep: str,
) -> Acted:
    """Read, decide and append.

    Args:
        attention: of the memory.
        steps: a single step, T = 1.
        state: before the step, after any reset.
        hashes: [1, B] int64, of its events.
        projected, facts: of the slots before the step, as in `SlotCache`; written to, in place.
        entry: of the log that is written, see `event_log.appended`.
        keep: see `importance`.
    """
    now = attention.embedded(state.step).unsqueeze(1)  # [B, 1, E]
    reach = facts.reach(state.step, attention.age_bias)
    attended = attention(steps.hidden, steps.encoded, now, Events(projected.flatten(0, 1), None, None), reach)
    own = attention.with_step(attention.from_event(steps.encoded[0]), now[:, 0])
    log_gate = nn.functional.logsigmoid(own[:, -1])
    new = (hashes[0], state.step)
    slot = facts.take(importance(keep, log_gate, *new), *new)
    put(slot, projected, own.to(projected.dtype))  # autocast makes less of it
    occupancy = reach.alive[:, 0].to(log_gate.dtype).mean(1)
    traced = [log_gate.exp(), (slot >= 0).to(log_gate.dtype), occupancy, attended.null_weight[0]]
    after = appended(state, tree_map(lambda leaf: leaf[0], steps.events), new[0], slot, entry)
    return Acted(attended.read, slot.unsqueeze(0), torch.stack(traced).unsqueeze(1), after)
