"""Attention to the events found for each head: that of `attend.definition`, with other candidates for each head."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.attend.definition import Events, Learned
from engram.memory.episodic.attend.native import attend
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.reach import Reach


class Found(NamedTuple):
    """The k events that each of R heads reads at each of X steps."""

    event: Tensor  # [X, R, k] int64, where their encodings are in a table
    alive: Tensor  # [X, R, k] bool; others are not read
    age: Tensor  # [X, R, k] int64, steps since they happened
    duplicates: Tensor  # [X, R, k] how many events alive equal each


def queries(attention: EventAttention, seen: Tensor, now: Tensor) -> Tensor:
    """Return what is asked, [X, R * W].

    Args:
        attention: of the memory, with a single hop.
        seen: [X, H + D] hidden vectors and encoded events.
        now: [X, E] embeddings of the steps' numbers; E may be 0.
    """
    asked: Tensor = attention.queries[0](seen)
    return asked if attention.step_embedding is None else asked + attention.query_of_step(now)


def read_found(
    attention: EventAttention, asked: Tensor, step: Tensor, table: Tensor, found: Found
) -> tuple[Tensor, Tensor, Tensor]:
    """Read what was found.

    Args:
        attention: of the memory.
        asked: [X, R * W] from `queries`.
        step: [X] numbers of the steps.
        table: [E, ...] encoded events behind `attention.from_event`.
        found: what is read.

    Returns:
        reads [X, R * V + R] as `EventAttention` gives them, the weights of the null slot [X, R] and, without gradient,
        those of the events [X, R, k].
    """
    heads, (width, value) = attention.heads, (attention.key_size, attention.value_size)
    keys, values, gates = table.split([heads * width, heads * value, 1], dim=1)
    bucket = attention.age_bias.bucket(found.age).to(torch.uint8)
    log_duplicates = found.duplicates.to(table.dtype).log()
    births = step.view(-1, 1, 1) - found.age
    if attention.step_embedding is not None:
        different, number = births.unique(return_inverse=True)
        of_steps = attention.key_of_step(attention.embedded(different))
    learned, reads = attention.learned(), []
    for head in range(heads):
        of_key, of_value, one = (slice(head * size, (head + 1) * size) for size in (width, value, 1))
        projected = table if heads == 1 else torch.cat([keys[:, of_key], values[:, of_value], gates], dim=1)
        of_step = None
        if attention.step_embedding is not None:
            of_step = of_steps[:, of_key].index_select(0, number[:, head].flatten()).view(*number[:, head].shape, -1)
        events = Events(projected, found.event[:, head], of_step)
        reach = Reach(*(part[:, head].unsqueeze(1) for part in (found.alive, bucket, log_duplicates)))
        of_head = Learned(learned.age_bias[:, one], *(part[one] for part in learned[1:]))
        reads.append(attend(asked[:, of_key].unsqueeze(0), events, reach, of_head))
    contents, null, weights = zip(*reads, strict=True)
    null_weights = torch.cat([part[0] for part in null], dim=1)
    content = attention.normalize(torch.cat([part[0] for part in contents], dim=1))
    return torch.cat([content, null_weights], dim=1), null_weights, torch.cat(weights, dim=1).squeeze(2)
