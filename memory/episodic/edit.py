"""Delete or replace events of an episodic memory, for experiments at test time.

All functions take the state before a step and return another one; nothing is changed in place. A cache of the old state
is not used for the new one (`MemoryPolicy.predict` recognizes states by identity).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engram.memory.episodic.event_log import EMPTY, EpisodicState, fresh, is_constant
from engram.memory.event_hash import event_hash
from engram.memory.state import State, broadcast_like, tree_map


def happened_at(state: EpisodicState, steps: Tensor) -> Tensor:
    """Find the slots that hold the event of one of some steps.

    Args:
        state: leaves [B, ...].
        steps: [B, K] int64, the numbers of the steps in each row's episode; pad with -1.

    Returns:
        [B, N] bool.
    """
    return state.filled & (state.birth.unsqueeze(2) == steps.unsqueeze(1)).any(2)


def delete_events(state: EpisodicState, slots: Tensor) -> EpisodicState:
    """Return a memory without the events in some slots [B, N] (bool), which are free again."""
    return state._replace(newest=state.newest.masked_fill(slots, EMPTY))


def replace_events(
    state: EpisodicState, slots: Tensor, event: State, compared: tuple[bool, ...] | None = None
) -> EpisodicState:
    """Return a memory in which some slots hold another event, as if it had happened at the same step.

    Args:
        state: leaves [B, ...].
        slots: [B, N] bool; empty ones stay empty.
        event: leaves [B, ...], what each row stores instead; what is constant over an episode stays.
        compared: of the memory, see `Memory.compared`.
    """
    slots = slots & state.filled
    new = tree_map(lambda leaf: leaf.unsqueeze(1), event)

    def exchange(logged: Tensor, kept: Tensor, other: Tensor) -> Tensor:
        if is_constant(logged):
            return logged
        return torch.where(broadcast_like(slots, kept), other.to(kept.dtype), kept)

    hashes = torch.where(slots, event_hash(new, compared), state.event_hash)
    events = tree_map(exchange, state.log.events, state.events, new)
    return fresh(events, state.birth, hashes, state.filled, state.step)
