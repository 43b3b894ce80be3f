"""Attention to the events found for each head: `EventAttention` over few candidates, other ones at each step."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.attention import EventAttention


class Found(NamedTuple):
    """The k events that each of R heads reads at each of X steps."""

    event: Tensor  # [X, R, k] int64, where their encodings are in a table
    alive: Tensor  # [X, R, k] bool; others are not read
    age: Tensor  # [X, R, k] int64, steps since they happened
    duplicates: Tensor  # [X, R, k] how many events alive equal each


def queries(attention: EventAttention, seen: Tensor, step: Tensor) -> Tensor:
    """Return what is searched for, divided by √W, [X, R, W].

    Args:
        attention: of the memory, with a single hop.
        seen: [X, H + D] hidden vectors and encoded events.
        step: [X] numbers of the steps.
    """
    asked = attention.queries[0](seen)
    if attention.step_embedding is not None:
        asked = asked + attention.query_of_step(attention.embedded(step))
    by_head: Tensor = (asked / math.sqrt(attention.key_size)).unflatten(1, (attention.heads, -1))
    return by_head


def keys_of_steps(attention: EventAttention, steps: Tensor) -> Tensor:
    """Return what the step at which an event happened [...] adds to its keys, [..., R * W]; zero without order."""
    if attention.step_embedding is None:
        return torch.zeros((), dtype=attention.null_key.dtype, device=steps.device)
    return cast(Tensor, attention.key_of_step(attention.embedded(steps)))


def attend(
    attention: EventAttention, asked: Tensor, step: Tensor, table: Tensor, found: Found
) -> tuple[Tensor, Tensor, Tensor]:
    """Read.

    Args:
        attention: of the memory.
        asked: [X, R, W] from `queries`.
        step: [X] numbers of the steps.
        table: [E, ...] encoded events behind `attention.from_event`.
        found: what is read.

    Returns:
        reads [X, R * V + R] as `EventAttention` gives them, the weights of the null slot [X, R] and of the events
        [X, R, k].
    """
    heads, size = attention.heads, attention.heads * attention.key_size
    keys, values, gates = table.split([size, heads * attention.value_size, 1], dim=1)
    of_head = torch.arange(heads, device=table.device).view(1, -1, 1)

    def at(rows: Tensor, index: Tensor) -> Tensor:
        """Each head's part of rows [E, R * W], [X, R, k, W]."""
        by_head = rows.unflatten(1, (heads, -1)).flatten(0, 1)
        found: Tensor = by_head.index_select(0, (index * heads + of_head).flatten())
        return found.view(*index.shape, -1)

    looked_up = at(keys, found.event)
    if attention.step_embedding is not None:
        births, number = (step.view(-1, 1, 1) - found.age).unique(return_inverse=True)
        looked_up = looked_up + at(keys_of_steps(attention, births), number)
    log_gates = nn.functional.logsigmoid(gates.squeeze(1)).index_select(0, found.event.flatten()).view(found.age.shape)
    most_open = torch.where(found.alive, log_gates, torch.finfo(log_gates.dtype).min).amax(2, keepdim=True)
    age = attention.age_bias.by_head(attention.age_bias.bucket(found.age))
    penalty = attention.duplicate_penalty.view(1, -1, 1) * found.duplicates.to(table.dtype).log()
    logits = (looked_up @ asked.unsqueeze(3)).squeeze(3) + (log_gates - most_open) + age - penalty
    null_logit = (asked * attention.null_key).sum(2, keepdim=True)
    weights = torch.cat([null_logit, logits.masked_fill(~found.alive, -torch.inf)], dim=2).softmax(2)
    null, shares = weights.split([1, logits.shape[2]], dim=2)
    content = (shares.unsqueeze(2) @ at(values, found.event)).squeeze(2) + null * attention.null_value
    null = null.squeeze(2)
    return torch.cat([attention.normalize(content.flatten(1)), null], dim=1), null, shares
