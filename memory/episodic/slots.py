"""Which slot an event takes, and how long it lives: the bookkeeping of a bounded event memory, without parameters.

A slot index of `NOT_WRITTEN` means that the step's event was not stored. All functions are discrete and carry no
gradient.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.state import State, broadcast_like, leaves

NOT_WRITTEN = -1

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def event_hash(events: State) -> Tensor:
    """Sum up events in one number each, by which equal ones are known: exact, and independent of any weights.

    Args:
        events: tree with leaves [B, M, ...] of any dtype.

    Returns:
        [B, M] int64.
    """
    parts = []
    for number, leaf in enumerate(leaves(events)):
        bits = leaf.flatten(2) if leaf.dim() > 2 else leaf.unsqueeze(2)
        if bits.dtype != torch.bool:
            bits = bits.contiguous().view(_BITS[bits.element_size()])
        parts.append((bits.long() * _multipliers(bits.shape[2], number, bits.device)).sum(2))
    return torch.stack(parts).sum(0)


@cache
def _multipliers(size: int, number: int, device: torch.device) -> Tensor:
    """Fixed random odd numbers; products and sums wrap around."""
    rng = torch.Generator().manual_seed(number)
    return (torch.randint(-(2**62), 2**62, (size,), generator=rng, device="cpu") * 2 + 1).to(device)


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


def has_newer_duplicate(alike: Tensor, birth: Tensor, filled: Tensor) -> Tensor:
    """Tell which slots hold an event of which a newer like is stored, so that losing them loses no content.

    Args:
        alike: [B, N, N] bool, the two slots' events are alike.
        birth: [B, N] step at which each event happened.
        filled: [B, N] bool.

    Returns:
        [B, N] bool.
    """
    newer = birth.unsqueeze(1) > birth.unsqueeze(2)
    return filled & (alike & newer & filled.unsqueeze(1)).any(2)


def choose_slot(
    importance: Tensor, birth: Tensor, filled: Tensor, has_newer_duplicate: Tensor, candidate: Tensor
) -> Tensor:
    """Choose the slot that a new event takes.

    The first free one; when all are filled the oldest superseded one; when none is superseded the least important
    one (of equals the oldest), if the new event outranks it.

    Args:
        importance: [B, N] of the stored events.
        birth: [B, N] step at which each happened.
        filled: [B, N] bool.
        has_newer_duplicate: [B, N] bool, a newer like is stored or just about to be.
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


def readable_mask(decisions: Tensor, filled: Tensor, episode_starts: Tensor) -> Tensor:
    """Tell which events can be read at which step: those stored before it, not yet replaced, of the same episode.

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
    """Tell what the slots hold after a sequence.

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
    """Tell where the events of a sequence are put; a GPU is not asked how many for a single step.

    Args:
        decisions: [T, B] slot taken by each step's event.
        writer: [B, N] from `last_writers`.
    """
    if len(decisions) == 1 and not decisions.is_cpu:
        rows = torch.arange(len(writer), device=writer.device)
        return SlotWrites(rows, decisions[0].clamp(min=0), torch.zeros_like(rows), decisions[0] >= 0)
    rows, slots = (writer >= 0).nonzero(as_tuple=True)
    return SlotWrites(rows, slots, writer[rows, slots], None)
