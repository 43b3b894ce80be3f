"""Attention to events, given queries: what a single read is."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.episodic.reach import Reach
from engram.memory.positions import bias_of_age


class Events(NamedTuple):
    """M candidates of each row, computed with the current weights."""

    projected: Tensor  # [E, S] keys [R * W] and values [R * V] of all heads, and the gate before the sigmoid
    place: Tensor | None  # [B, M] int64, rows of `projected`; None for those of one row of the batch after another
    of_step: Tensor | None  # [B, M, R * W] what the step at which an event happened adds to its keys


class Learned(NamedTuple):
    """What has been learned of all events alike."""

    age_bias: Tensor  # [A, R] by the bucket of the age
    duplicate_penalty: Tensor  # [R]
    null_key: Tensor  # [R, W]
    null_value: Tensor  # [R, V]


class Found(NamedTuple):
    """What queries find."""

    contents: Tensor  # [T, B, R * V]
    null: Tensor  # [T, B, R] weight of the null slot
    weights: Tensor  # [B, R, T, M] of the events, without gradient


def attend(queries: Tensor, events: Events, reach: Reach, learned: Learned) -> Found:
    """Read from the events alive at each step, see `EventAttention` for the formula.

    Args:
        queries: [T, B, R * W].
        events, reach: M candidates; those that are dead must be finite.
        learned: see there.
    """
    heads, key_size = learned.null_key.shape
    keys, values, log_gates = _vectors(events, reach.alive, learned)
    queries = queries.unflatten(-1, (heads, -1)).permute(1, 2, 0, 3) / math.sqrt(key_size)  # [B, R, T, W]
    gates, most_open = _relative(log_gates, reach.alive)
    penalty = learned.duplicate_penalty.view(-1, 1, 1) * reach.log_duplicates.unsqueeze(1)  # [B, R, T, M]
    bias = bias_of_age(learned.age_bias, reach.age).transpose(0, 1) + (gates.view(len(gates), 1, 1, -1) - penalty)
    logits = (queries @ keys.transpose(2, 3) + bias).masked_fill(~reach.alive.unsqueeze(1), -torch.inf)
    null_logit = queries @ learned.null_key.unsqueeze(2) + most_open.unsqueeze(1)
    null, weights = torch.cat([null_logit, logits], dim=3).softmax(3).split([1, logits.shape[3]], dim=3)
    contents = torch.addcmul(weights @ values, null, learned.null_value.unsqueeze(1))
    return Found(contents.permute(2, 0, 1, 3).flatten(2), null.squeeze(3).permute(2, 0, 1), weights.detach())


def _vectors(events: Events, alive: Tensor, learned: Learned) -> tuple[Tensor, Tensor, Tensor]:
    """Return keys [B, R, M, W], values [B, R, M, V] and log gates [B, M]."""
    batch, _, candidates = alive.shape
    if events.place is None:
        rows = events.projected.unflatten(0, (batch, candidates))
    else:
        rows = events.projected.index_select(0, events.place.flatten()).unflatten(0, (batch, candidates))
    sizes = [learned.null_key.numel(), learned.null_value.numel(), 1]
    keys, values, gates = rows.split(sizes, dim=-1)
    if events.of_step is not None:
        keys = keys + events.of_step
    keys, values = (part.unflatten(-1, (len(learned.null_key), -1)).transpose(1, 2) for part in (keys, values))
    return keys, values, nn.functional.logsigmoid(gates.squeeze(-1))


def _relative(log_gates: Tensor, alive: Tensor) -> tuple[Tensor, Tensor]:
    """Return log gates [B, M], and for each step the most open one alive [B, T, 1], both less the row's most open.

    To take a step's most open gate from all of its events is to add it to the null slot.
    """
    lowest = torch.finfo(log_gates.dtype).min
    most_open = torch.where(alive, log_gates.unsqueeze(1), lowest).amax(2, keepdim=True)
    level = most_open.detach().amax(1)
    # Where nothing is alive the null slot has a very low logit, but is the only one.
    return log_gates - level, most_open - level.unsqueeze(1)
