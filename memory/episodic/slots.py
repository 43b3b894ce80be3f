"""Which slot an event takes, and how long it lives: the bookkeeping of a bounded event memory, without parameters.

A slot index of `NOT_WRITTEN` means that the step's event was not stored. All functions are discrete and carry no
gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.state import broadcast_like

NOT_WRITTEN = -1


def step_numbers(step: Tensor, episode_starts: Tensor) -> Tensor:
    """Number the steps of a sequence from 0 at each episode start.

    Args:
        step: [B] int64, the number of the sequence's first step if no episode starts there.
        episode_starts: [T, B] bool.

    Returns:
        [T, B] int64.
    """
    time = torch.arange(len(episode_starts), device=step.device).unsqueeze(1)
    last_start = torch.where(episode_starts, time, -1).cummax(0).values
    return torch.where(last_start < 0, step + time, time - last_start)


def has_newer_duplicate(equal: Tensor, birth: Tensor, filled: Tensor) -> Tensor:
    """Find the slots whose event is stored again in a newer slot, so that to overwrite them loses no content.

    Args:
        equal: [B, N, N] bool, the two slots' events are equal.
        birth: [B, N] step at which each event happened.
        filled: [B, N] bool.

    Returns:
        [B, N] bool.
    """
    newer = birth.unsqueeze(1) > birth.unsqueeze(2)
    return filled & (equal & newer & filled.unsqueeze(1)).any(2)


def choose_slot(
    importance: Tensor, birth: Tensor, filled: Tensor, has_newer_duplicate: Tensor, candidate: Tensor
) -> Tensor:
    """Choose the slot that a new event takes.

    The first free one; when all are filled the oldest one with a newer duplicate; when there is none the least
    important one (of equals the oldest), if the new event is more important.

    Args:
        importance: [B, N] of the stored events.
        birth: [B, N] step at which each happened.
        filled: [B, N] bool.
        has_newer_duplicate: [B, N] bool, an equal newer event is stored or is the new event.
        candidate: [B] importance of the new event.

    Returns:
        [B] int64 in 0..N-1, or NOT_WRITTEN.
    """

    def oldest(among: Tensor) -> Tensor:
        return torch.where(among, birth, torch.iinfo(birth.dtype).max).argmin(1)

    free = ~filled
    least = importance.amin(1, keepdim=True)
    outranked = torch.where(candidate > least.squeeze(1), oldest(importance == least), NOT_WRITTEN)
    replaced = torch.where(has_newer_duplicate.any(1), oldest(has_newer_duplicate), outranked)
    return torch.where(free.any(1), free.int().argmax(1), replaced)


@torch.no_grad()
def choose_slots(
    importance: Tensor,
    stored: Tensor,
    birth: Tensor,
    filled: Tensor,
    candidates: Tensor,
    event_hashes: Tensor,
    now: Tensor,
    episode_starts: Tensor,
) -> Tensor:
    """Choose the slot of every step's event, one step after the other.

    Args:
        importance, stored, birth: [B, N] log gates, hashes and steps of the events in the slots before the first step.
        filled: [B, N] bool.
        candidates: [B, T] log gates of the sequence's events.
        event_hashes, now: [T, B] hashes and step numbers of the sequence's events.
        episode_starts: [T, B] bool.

    Returns:
        [T, B] int64 in 0..N-1, or NOT_WRITTEN.
    """
    rows = torch.arange(len(filled), device=filled.device)
    decisions = []
    for t, start in enumerate(episode_starts):
        filled = filled & ~start.unsqueeze(1)
        outdated = filled & (stored == event_hashes[t].unsqueeze(1))
        if not filled.is_cpu or bool(filled.all(1).any()):  # else there is a free slot in every row
            equal = stored.unsqueeze(1) == stored.unsqueeze(2)
            outdated = has_newer_duplicate(equal, birth, filled) | outdated
        slot = choose_slot(importance, birth, filled, outdated, candidates[:, t])
        decisions.append(slot)
        if t + 1 < len(episode_starts):
            row, written = rows[slot >= 0], slot[slot >= 0]
            importance, stored, birth = importance.clone(), stored.clone(), birth.clone()
            importance[row, written], stored[row, written] = candidates[row, t], event_hashes[t, row]
            birth[row, written], filled[row, written] = now[t, row], True
    return torch.stack(decisions)


def slots_in_use(filled: Tensor, length: int) -> int:
    """Count the slots to look at before a sequence of `length` steps: slots are taken from the first on.

    On a GPU the answer has to be waited for, which a single step is not worth: then it is all of them.

    Args:
        filled: [B, N] bool.
    """
    slots = filled.shape[1]
    if length == 1 and not filled.is_cpu:
        return slots
    return int((filled.any(0) * torch.arange(1, slots + 1, device=filled.device)).max())


def readable_mask(decisions: Tensor, filled: Tensor, episode_starts: Tensor) -> Tensor:
    """Find the events that can be read at each step: those stored before it, not yet replaced, of the same episode.

    An event lives from the step after its write up to and including the step that overwrites it (a step reads before
    it writes).

    Args:
        decisions: [T, B] slot taken by each step's event.
        filled: [B, N] bool, slots filled before the first step.
        episode_starts: [T, B] bool.

    Returns:
        [T, B, N + T] bool: first the carried slots, then the sequence's own events.
    """
    length, slots = len(decisions), filled.shape[1]
    if length == 1:  # nothing that is written can be read yet
        carried = filled & ~episode_starts[0].unsqueeze(1)
        return torch.cat([carried, carried.new_zeros(len(carried), 1)], dim=1).unsqueeze(0)
    time = torch.arange(length, device=decisions.device)
    episode = episode_starts.cumsum(0)

    taken = decisions.unsqueeze(2) == torch.arange(slots, device=decisions.device)  # [T, B, N]
    taken_before = taken.cumsum(0) - taken.long() > 0
    carried = filled & ~taken_before & (episode == 0).unsqueeze(2)

    same_slot = decisions.unsqueeze(0) == decisions.unsqueeze(1)  # [S, T, B]: steps s and t took the same slot
    later = (time.unsqueeze(0) > time.unsqueeze(1)).unsqueeze(2)
    death = torch.where(same_slot & later, time.view(1, -1, 1), length).amin(1)  # [S, B]
    now = time.view(-1, 1, 1)
    own = (decisions.t() >= 0) & (now > time) & (now <= death.t()) & (episode.unsqueeze(2) == episode.t())
    return torch.cat([carried, own], dim=2)


def last_writers(decisions: Tensor, filled: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor]:
    """Find what the slots hold after a sequence.

    Args:
        decisions, filled, episode_starts: as for `readable_mask`.

    Returns:
        [B, N] int64, the step whose event the slot holds, or NOT_WRITTEN where it holds what it held before the
        sequence (or nothing); and [B, N] bool, the slots filled.
    """
    slots = torch.arange(filled.shape[1], device=decisions.device)
    if len(decisions) == 1:
        taken = decisions[0].unsqueeze(1) == slots
        return torch.where(taken, 0, NOT_WRITTEN), taken | (filled & ~episode_starts[0].unsqueeze(1))
    time = torch.arange(len(decisions), device=decisions.device)
    episode = episode_starts.cumsum(0)
    in_last_episode = (episode == episode[-1]).unsqueeze(2)
    taken = (decisions.unsqueeze(2) == slots) & in_last_episode
    writer = torch.where(taken, time.view(-1, 1, 1), NOT_WRITTEN).amax(0)
    return writer, (writer >= 0) | (filled & (episode[-1] == 0).unsqueeze(1))


class SlotWrites(NamedTuple):
    """Which slots of a batch take the events of which steps."""

    rows: Tensor  # [K]
    slots: Tensor  # [K]
    steps: Tensor  # [K]
    written: Tensor | None  # [K] bool, false where the slot keeps what it holds; None where all are written

    def put(self, slots: Tensor, values: Tensor) -> None:
        """Put values [K, ...] into slots [B, N, ...], in place."""
        if self.written is not None:
            values = torch.where(broadcast_like(self.written, values), values, slots[self.rows, self.slots])
        slots[self.rows, self.slots] = values


def slot_writes(decisions: Tensor, writer: Tensor) -> SlotWrites:
    """Find the slots that the events of a sequence are put into; for a single step without waiting for a GPU.

    Args:
        decisions: [T, B] slot taken by each step's event.
        writer: [B, N] from `last_writers`.
    """
    if len(decisions) == 1 and not decisions.is_cpu:
        rows = torch.arange(len(writer), device=writer.device)
        return SlotWrites(rows, decisions[0].clamp(min=0), torch.zeros_like(rows), decisions[0] >= 0)
    rows, slots = (writer >= 0).nonzero(as_tuple=True)
    return SlotWrites(rows, slots, writer[rows, slots], None)
