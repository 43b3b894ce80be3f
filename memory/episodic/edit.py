"""Events taken out of an episodic memory, exchanged or put in: for experiments at test time.

All functions take the state before a step and return another one; nothing is changed in place. What the agent cached of
the old one is not asked again (`MemoryPolicy.predict` knows states by identity).
"""

from __future__ import annotations

import torch
from torch import Tensor

from engram.memory.episodic.memory import EpisodicState
from engram.memory.episodic.slots import event_hash
from engram.memory.state import State, broadcast_like, tree_map


def happened_at(state: EpisodicState, steps: Tensor) -> Tensor:
    """Tell which slots hold an event of some steps.

    Args:
        state: leaves [B, ...].
        steps: [B, K] int64, the numbers of the steps in each row's episode; pad with -1.

    Returns:
        [B, N] bool.
    """
    return state.filled & (state.birth.unsqueeze(2) == steps.unsqueeze(1)).any(2)


def equal_to(state: EpisodicState, event: State) -> Tensor:
    """Tell which slots hold an event equal to a given one (leaves [B, ...]), as [B, N] bool."""
    sought = event_hash(tree_map(lambda leaf: leaf.unsqueeze(1), event))
    return state.filled & (state.event_hash == sought)


def deleted(state: EpisodicState, slots: Tensor) -> EpisodicState:
    """Return a memory without what is in some slots [B, N] (bool); they are free again."""
    return state._replace(filled=state.filled & ~slots)


def replaced(state: EpisodicState, slots: Tensor, event: State) -> EpisodicState:
    """Return a memory in which some slots show another event, as if it had happened then.

    Args:
        state: leaves [B, ...].
        slots: [B, N] bool; empty ones stay empty.
        event: leaves [B, ...], the one that each row is to remember instead.
    """
    slots = slots & state.filled
    new = tree_map(lambda leaf: leaf.unsqueeze(1), event)

    def exchange(kept: Tensor, other: Tensor) -> Tensor:
        return torch.where(broadcast_like(slots, kept), other.to(kept.dtype), kept)

    return state._replace(
        events=tree_map(exchange, state.events, new), event_hash=torch.where(slots, event_hash(new), state.event_hash)
    )


def transplanted(state: EpisodicState, slots: Tensor, donor: EpisodicState) -> EpisodicState:
    """Return a memory in which some slots hold what they hold in another episode, with the steps when it happened.

    Args:
        state: leaves [B, ...].
        slots: [B, N] bool; those that the donor has not filled are emptied.
        donor: leaves [B, ...], the other episode of each row.
    """
    moved = tree_map(
        lambda kept, other: torch.where(broadcast_like(slots, kept), other, kept),
        (state.events, state.birth, state.event_hash, state.filled),
        (donor.events, donor.birth, donor.event_hash, donor.filled),
    )
    return EpisodicState(*moved, state.step)
