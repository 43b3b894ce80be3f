"""Reading from events: what is asked, and multi-head attention over those in reach."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.episodic.attend.definition import Events, Learned
from engram.memory.episodic.attend.native import attend
from engram.memory.episodic.reach import Reach
from engram.memory.positions import AgeBias, StepEmbedding

SHARPNESS = 3.0
"""How much closer a query is at first to the event that it is like; at 1 a read begins as a mean of nearly all."""
SHARPNESS_OF_HOPS = 9.0
"""The same with several hops: what one read returns is what the next asks with, so it has to be one event."""
ALREADY_READ = 30.0
"""Log of how many equal events one counts as that an earlier hop has read: so many that it is not read again."""


class Attended(NamedTuple):
    """What attention to events returns."""

    read: Tensor  # [T, B, S] of every read the normalized contents, and for every head the weight of the null slot
    null_weight: Tensor  # [T, B] mean weight of the null slot
    weights: Tensor  # [B, hops * R, T, M] of every event in the reads of every hop, without gradient


class EventAttention(nn.Module):
    """Multi-head attention of the current step over events.

    Logits are `q·k/√W + log gate + bias(age) - c log(duplicates)`, beside a null slot that means "nothing stored fits"
    (see `attend.definition`).

    * The key of an event carries a step embedding and the query a linear function of that of the current step, so that
      order can be addressed as well as content.
    * The log gates are taken relative to the most open gate in reach: they rank events against each other, but cannot
      close the memory as a whole; only the null slot decides whether anything is read.
    * The duplicates of an event are the events in reach that equal it, itself included. With c = 1, its initial value,
      all equal events together weigh as much as one, so that fifty steps of corridor do not outweigh one cue. Each
      head learns its c, since how often something happened may matter, too.
    * With several hops, each later query also sees what the read before returned, and starts as "what is like what was
      recalled, and not what is seen". An event that an earlier hop has read is as good as hidden from it ("inhibition
      of return"): of all events the recalled one is most like what was recalled, and so is, the other way around, the
      one that led there. Later hops share their weights, and what they return is pooled by weights that depend on it,
      so that there may be more of them than were trained. What is passed on is the first read and the pooled later
      ones, since who follows a chain needs both ends.

    Args:
        encoded_size: D.
        hidden_size: H.
        heads, key_size, value_size: R, W, V.
        hops: reads per step.
        gate_bias: initial bias of the write gate.
        step_embedding_size: size of the step embedding; 0 for no order addressing.

    Raises:
        ValueError: if a size is not a whole number of at least 1, or `step_embedding_size` is not even and at least 0.
    """

    def __init__(
        self,
        encoded_size: int,
        hidden_size: int,
        heads: int,
        key_size: int,
        value_size: int,
        hops: int,
        gate_bias: float,
        step_embedding_size: int,
    ) -> None:
        super().__init__()
        heads, key_size = check_int("heads", heads), check_int("key_size", key_size)
        value_size, hops = check_int("value_size", value_size), check_int("hops", hops)
        self.heads, self.key_size, self.value_size = heads, key_size, value_size
        self.hops, one_read = hops, heads * value_size + heads
        self.read_size = one_read if hops == 1 else 2 * one_read
        # Keys, values and gate of an event in one product.
        self.from_event = nn.Linear(encoded_size, heads * (key_size + value_size) + 1)
        nn.init.orthogonal_(self.from_event.weight)
        seen_size = hidden_size + encoded_size
        query_sizes = [seen_size, seen_size + one_read][:hops]
        self.queries = nn.ModuleList(nn.Linear(size, heads * key_size) for size in query_sizes)  # first, later
        with torch.no_grad():
            self.from_event.bias.zero_()
            self.from_event.bias[-1] = gate_bias
            # The memory starts as an associative one: the current event retrieves events like it.
            of_key, of_value, _ = self.from_event.weight.split([heads * key_size, heads * value_size, 1])
            if hops > 1:  # to each head events are then as like as they are, and not as a random part of them
                size = math.sqrt(max(key_size, encoded_size) / len(self.from_event.weight))
                for of_head in of_key.split(key_size):
                    nn.init.orthogonal_(of_head, gain=size)
            like_it = (SHARPNESS if hops == 1 else SHARPNESS_OF_HOPS) * of_key
            cast(nn.Linear, self.queries[0]).weight[:, hidden_size:] = like_it
            if hops > 1:
                later = cast(nn.Linear, self.queries[1]).weight
                # Normalized contents as the event that they are the values of.
                event_of = torch.linalg.pinv(of_value) * of_value.square().sum(1).mean().sqrt()
                later[:, seen_size : seen_size + len(of_value)] = like_it @ event_of
                later[:, hidden_size:seen_size] = -like_it
        if hops > 1:
            self.pool = nn.Linear(seen_size + one_read, 1)
            nn.init.zeros_(self.pool.weight)
        self.null_key = nn.Parameter(torch.zeros(heads, key_size))
        self.null_value = nn.Parameter(torch.zeros(heads, value_size))
        self.age_bias = AgeBias(heads)
        self.duplicate_penalty = nn.Parameter(torch.ones(heads))
        self.normalize = nn.LayerNorm(heads * value_size)

        self.step_embedding: StepEmbedding | None = None
        if step_embedding_size:
            self.step_embedding = StepEmbedding(step_embedding_size)
            self.key_of_step = nn.Linear(step_embedding_size, heads * key_size, bias=False)
            for of_head in self.key_of_step.weight.detach().split(key_size):
                nn.init.orthogonal_(of_head)
            # Another step relative to this one, or to a fixed one, is a linear function of the embedding.
            self.query_of_step = nn.Linear(step_embedding_size, heads * key_size, bias=False)
            # Order plays no part until learning finds a use for it.
            nn.init.zeros_(self.query_of_step.weight)

    def of_step(self, birth: Tensor) -> Tensor | None:
        """Return what the steps at which events happened add to their keys, [..., R * W]; None if that is nothing.

        Args:
            birth: [..., E] embeddings of the steps; E may be 0.
        """
        if self.step_embedding is None:
            return None
        added: Tensor = self.key_of_step(birth)
        return added

    def with_step(self, projected: Tensor, birth: Tensor) -> Tensor:
        """Add to the keys of projected events [..., S] what their steps add; in place, so there must be no graph."""
        added = self.of_step(birth)
        if added is not None:
            projected[..., : added.shape[-1]].add_(added)
        return projected

    def embedded(self, step: Tensor) -> Tensor:
        """Return the embeddings [..., E] of step numbers [...]; E is 0 without order addressing."""
        if self.step_embedding is None:
            return self.null_key.new_zeros(*step.shape, 0)
        embedded: Tensor = self.step_embedding(step, self.null_key.dtype)
        return embedded

    def learned(self) -> Learned:
        """Return what has been learned of all events alike."""
        return Learned(self.age_bias.scaled(), self.duplicate_penalty, self.null_key, self.null_value)

    def forward(self, hidden: Tensor, encoded: Tensor, now: Tensor, events: Events, reach: Reach) -> Attended:
        """Attend to the events alive at each step.

        Args:
            hidden: [T, B, H].
            encoded: [T, B, D] the current events.
            now: [B, T, E] embeddings of the steps' numbers; E may be 0.
            events: M candidates.
            reach: which of them are alive, and since when.
        """
        order = None if self.step_embedding is None else self.query_of_step(now).transpose(0, 1)
        learned = self.learned()
        seen = torch.cat([hidden, encoded], dim=-1)
        reads: list[Tensor] = []
        nulls, weights_of_hops = [], []
        for hop in range(self.hops):
            queries = self.queries[min(hop, 1)](torch.cat([seen, reads[-1]], dim=-1) if hop else seen)
            contents, null, weights = attend(queries if order is None else queries + order, events, reach, learned)
            if hop + 1 < self.hops:
                read_before = weights.mean(1)  # by all heads
                reach = reach._replace(log_duplicates=reach.log_duplicates + ALREADY_READ * read_before)
            # The weight of the null slot shows how familiar the content is, which normalizing would hide.
            reads.append(torch.cat([self.normalize(contents), null], dim=2))
            nulls.append(null)
            weights_of_hops.append(weights)
        if self.hops == 1:
            return Attended(reads[0], nulls[0].mean(2), weights_of_hops[0])
        read = torch.cat([reads[0], self._pooled(seen, torch.stack(reads[1:]))], dim=2)
        return Attended(read, torch.cat(nulls, dim=2).mean(2), torch.cat(weights_of_hops, dim=1))

    def _pooled(self, seen: Tensor, reads: Tensor) -> Tensor:
        """Return the mean [T, B, S] of reads [X, T, B, S], weighted by what they hold and by what is seen."""
        scores = self.pool(torch.cat([seen.expand(len(reads), -1, -1, -1), reads], dim=3))
        pooled: Tensor = (scores.softmax(0) * reads).sum(0)
        return pooled
