"""How long an event lives, given the slot that each took: the bookkeeping of recorded decisions, without parameters.

A slot index of `NOT_WRITTEN` means that the step's event was not stored. All functions are discrete and carry no
gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

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
    time = torch.arange(len(decisions), device=decisions.device)
    episode = episode_starts.cumsum(0)
    counts = (decisions >= 0) & (episode == episode[-1])
    steps = torch.where(counts, time.unsqueeze(1), NOT_WRITTEN)
    writer = torch.full_like(filled, NOT_WRITTEN, dtype=torch.int64)
    writer.scatter_reduce_(1, decisions.clamp(min=0).t(), steps.t(), "amax")
    return writer, (writer >= 0) | (filled & (episode[-1] == 0).unsqueeze(1))
