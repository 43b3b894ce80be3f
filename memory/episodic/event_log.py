"""What an episodic memory remembers: an append-only log of events, and the place in it of every slot's event."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.slot_facts import put
from engram.memory.episodic.slots import last_writers, slots_in_use
from engram.memory.state import State, broadcast_like, leaves, tree_map

EMPTY = -1
"""Place of what a slot holds that holds nothing."""

_SPARE = 2**14
"""Entries beyond the slots at most: in so many steps a copy of the log costs nothing."""


class EventLog(NamedTuple):
    """Events of each row in the order in which they were appended; entries that no slot refers to are never read.

    What is constant over an episode is held once for each row: at a step that changes it, no slot holds an older event.
    """

    events: State  # [B, C, ...], or [B, 1, ...] of what is constant over an episode
    birth: Tensor  # [B, C] int64, the step at which the event happened
    event_hash: Tensor  # [B, C] int64, equal for equal events


class EpisodicState(NamedTuple):
    """The stored events of one episode in each row.

    A state is complete in itself and what it refers to is never written again: a step appends its event to the log,
    either to entries of the same tensors that no state refers to yet, or, where another step may have done so already,
    to a copy. An old log is freed with the last state that refers to it.

    Neither are the places of a large memory copied at every step: they are written into the same tensor. To the states
    before, what was written lies behind the end of their log, and the log tells what was in the slot before.
    """

    log: EventLog
    newest: Tensor  # [B, N] int64, entry of the log that a slot holds, or will hold after later steps; EMPTY if none
    step: Tensor  # [B] int64, number of the next step
    end: Tensor  # [B] int64, the first entry of the log that is of a later step, where there may be such
    replaced: Tensor  # [B, C] int64, what the slot of an entry held before, where there may be such

    @property
    def place(self) -> Tensor:
        """Entries of the log that the slots hold, [B, N] int64, or EMPTY."""
        return self.as_of_now(self.newest)

    @property
    def filled(self) -> Tensor:
        """Which slots hold an event, [B, N] bool."""
        return self.place >= 0

    @property
    def birth(self) -> Tensor:
        """Steps at which the slots' events happened, [B, N]; without meaning where a slot is empty."""
        return self.log.birth.gather(1, self.place.clamp(min=0))

    @property
    def event_hash(self) -> Tensor:
        """Hashes of the slots' events, [B, N]; without meaning where a slot is empty."""
        return self.log.event_hash.gather(1, self.place.clamp(min=0))

    @property
    def events(self) -> State:
        """The slots' events, leaves [B, N, ...]; without meaning where a slot is empty."""
        return events_at(self.log.events, self.place.clamp(min=0))

    def as_of_now(self, newest: Tensor, *, wait: bool = False) -> Tensor:
        """Return what some slots hold [B, K], given the entries in `newest`: back to before the end of the log.

        Elsewhere than on a CPU places are copied at every step (see `appended`), so that nothing lies behind the end,
        unless the state has come from a CPU: only if the answer is waited for is it looked.
        """
        if not (newest.is_cpu or wait):
            return newest
        end = self.end.unsqueeze(1)
        late = newest >= end
        while bool(late.any()):
            newest = torch.where(late, self.replaced.gather(1, newest * late), newest)
            late = newest >= end
        return newest


def events_at(events: State, places: Tensor) -> State:
    """Return the events [B, K, ...] at places [B, K] of a log's events [B, C, ...]."""

    def at(leaf: Tensor) -> Tensor:
        if is_constant(leaf):
            return leaf.expand(*places.shape, *leaf.shape[2:])
        offsets = torch.arange(0, leaf.shape[0] * leaf.shape[1], leaf.shape[1], device=leaf.device).unsqueeze(1)
        found = leaf.flatten(0, 1).index_select(0, (places + offsets).flatten())
        return found.view(*places.shape, *leaf.shape[2:])

    return tree_map(at, events)


def entries_of(events: State, row: int, entries: slice) -> State:
    """Return some entries [K, ...] of a row of a log's events [B, C, ...]."""

    def of_leaf(leaf: Tensor) -> Tensor:
        if is_constant(leaf):
            return leaf[row].expand(entries.stop - entries.start, *leaf.shape[2:])
        return leaf[row, entries]

    return tree_map(of_leaf, events)


def is_constant(leaf: Tensor) -> bool:
    """Whether a leaf of a log is of what is constant over an episode: all others have more entries, see `capacity`."""
    return leaf.shape[1] == 1


def capacity(slots: int) -> int:
    """Return how many entries C a log for N slots has: when all are taken, it is copied."""
    return slots + min(max(slots, 64), _SPARE)


def fresh(events: State, birth: Tensor, event_hash: Tensor, filled: Tensor, step: Tensor) -> EpisodicState:
    """Return a state whose log is new and holds the events of the slots, each at the place of its slot's number.

    Args:
        events: leaves [B, N, ...]; those of empty slots do not matter. With N > 1 they are [B, 1, ...] of what is
            constant over an episode.
        birth, event_hash: [B, N].
        filled: [B, N] bool.
        step: [B].
    """
    slots = filled.shape[1]

    def logged(leaf: Tensor) -> Tensor:
        if is_constant(leaf) and slots > 1:
            return leaf
        entries = leaf.new_zeros(len(leaf), capacity(slots), *leaf.shape[2:])
        entries[:, :slots] = leaf
        return entries

    return _of_entries(EventLog(*tree_map(logged, (events, birth, event_hash))), filled, step)


@torch.no_grad()
def copied(state: EpisodicState, *, wait: bool = False) -> EpisodicState:
    """Return the same state with a log of its own: equal memories have equal copies, without gradients.

    Args:
        state: to be copied.
        wait: whether a state on a GPU may have come from a CPU, see `EpisodicState.as_of_now`.
    """
    place = state.as_of_now(state.newest, wait=wait)
    filled, slots = place >= 0, place.shape[1]
    at = place[:, : slots_in_use(filled, 1)].clamp(min=0)

    def logged(leaf: Tensor) -> Tensor:
        if is_constant(leaf):
            return leaf
        entries, used = leaf.new_zeros(len(leaf), capacity(slots), *leaf.shape[2:]), at.shape[1]
        for stored, places, own in zip(leaf, at, entries, strict=True) if used else ():
            torch.index_select(stored, 0, places, out=own[:used])  # no events in between: there may be many
        return entries

    return _of_entries(tree_map(logged, state.log), filled, state.step)


def _of_entries(log: EventLog, filled: Tensor, step: Tensor) -> EpisodicState:
    """Return a state whose slots' events are the first entries of a log; those of empty slots become zero."""
    slots = filled.shape[1]
    if not (filled.is_cpu and bool(filled.all())):
        for leaf in (leaf for leaf in leaves(log) if not is_constant(leaf)):
            leaf[:, :slots].masked_fill_(broadcast_like(~filled, leaf), 0)
    newest = torch.where(filled, torch.arange(slots, device=filled.device), EMPTY)
    return EpisodicState(log, newest, step, torch.full_like(step, capacity(slots)), torch.zeros_like(log.birth))


def started(state: EpisodicState, episode_start: Tensor) -> EpisodicState:
    """Return the state after its reset in the rows [B] where an episode starts: it is a mask over the slots."""
    newest = state.newest.masked_fill(episode_start.unsqueeze(1), EMPTY)
    return state._replace(newest=newest, step=state.step.masked_fill(episode_start, 0))


def stored_events(state: EpisodicState, used: int) -> tuple[State, Tensor]:
    """Return the events in the first `used` slots U, leaves [B, U, ...], and their hashes [B, U].

    Those of empty slots are zero: what has no weight must be finite all the same.
    """
    place = state.as_of_now(state.newest[:, :used])
    filled, place = place >= 0, place.clamp(min=0)

    def blanked(leaf: Tensor) -> Tensor:
        return torch.where(broadcast_like(filled, leaf), leaf, torch.zeros_like(leaf))

    hashes = torch.where(filled, state.log.event_hash.gather(1, place), 0)
    return tree_map(blanked, events_at(state.log.events, place)), hashes


def appended(
    state: EpisodicState, events: State, event_hash: Tensor, slot: Tensor, entry: int, *, in_place: bool = False
) -> EpisodicState:
    """Return the state after a step; the log is written in place.

    Args:
        state: before the step, after its reset; nobody else may append to its log.
        events: leaves [B, ...], of the step.
        event_hash: [B].
        slot: [B] the slot that the event takes, or negative.
        entry: where it is put, an entry that no state refers to.
        in_place: whether the places are, too, on a CPU. To copy them costs less than the looks at what was replaced,
            as long as there are few.
    """
    log = with_constants(state.log, events)
    for entries, new in zip(leaves(log), leaves(EventLog(events, state.step, event_hash)), strict=True):
        if not is_constant(entries):
            entries[:, entry] = new
    newest, end = state.newest, state.end
    if in_place and newest.is_cpu:
        state.replaced[:, entry] = newest.gather(1, slot.clamp(min=0).unsqueeze(1)).squeeze(1)
        end = torch.full_like(end, entry + 1)
    else:
        newest = newest.clone()
    put(slot, newest, newest.new_full(slot.shape, entry))
    return EpisodicState(log, newest, state.step + 1, end, state.replaced)


def with_constants(log: EventLog, events: State) -> EventLog:
    """Return a log with what is constant over an episode as it is in some events, leaves [B, ...]."""
    if not any(map(is_constant, leaves(log.events))):
        return log

    def held(logged: Tensor, new: Tensor) -> Tensor:
        return new.unsqueeze(1) if is_constant(logged) else logged

    return log._replace(events=tree_map(held, log.events, events))


def after_sequence(state: EpisodicState, written: EventLog, decisions: Tensor, episode_starts: Tensor) -> EpisodicState:
    """Return the state after a sequence of steps, with a log of its own.

    Args:
        state: before the first step.
        written: events, numbers and hashes of the steps, leaves [T, B, ...].
        decisions: [T, B] the slot that each step's event takes, or negative.
        episode_starts: [T, B] bool.
    """
    writer, filled = last_writers(decisions, state.filled, episode_starts)
    step_of = writer.clamp(min=0)

    def held(stored: Tensor, own: Tensor) -> Tensor:  # [B, N, ...], [T, B, ...]
        flat = own.transpose(0, 1).flatten(0, 1)
        first = torch.arange(0, len(flat), len(own), device=own.device).unsqueeze(1)
        newest = flat.index_select(0, (first + step_of).flatten()).view(stored.shape)
        return torch.where(broadcast_like(writer >= 0, stored), newest.to(stored.dtype), stored)

    def of_slots(logged: Tensor, stored: Tensor, own: Tensor) -> Tensor:
        return own[-1].unsqueeze(1).to(logged.dtype) if is_constant(logged) else held(stored, own)

    events = tree_map(of_slots, state.log.events, state.events, written.events)
    birth, hashes = held(state.birth, written.birth), held(state.event_hash, written.event_hash)
    return fresh(events, birth, hashes, filled, written.birth[-1] + 1)
