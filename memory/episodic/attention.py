"""Reading from events: their encoding with the current weights, and multi-head attention over those in reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.positions import AgeBias, StepEmbedding


class Encodings(NamedTuple):
    """Keys, values and gates of M events, computed with the current weights."""

    keys: Tensor  # [B, R, M, W]
    values: Tensor  # [B, R, M, V]
    log_gates: Tensor  # [B, M]


class Attended(NamedTuple):
    """What attention to events returns."""

    read: Tensor  # [T, B, R * V + R] the normalized content, and for every head the weight of the null slot
    null_weight: Tensor  # [T, B] mean weight of the null slot
    weights: Tensor  # [B, hops * R, T, M] of every event in the reads of every hop


class EventAttention(nn.Module):
    """Multi-head attention of the current step over events.

    Logits are `q·k/√W + log gate + bias(age) - c log(duplicates)`, beside a null slot that means "nothing stored fits".

    * The key of an event carries a step embedding and the query a linear function of that of the current step, so that
      order can be addressed as well as content.
    * The log gates are taken relative to the most open gate in reach: they rank events against each other, but cannot
      close the memory as a whole; only the null slot decides whether anything is read.
    * The duplicates of an event are the events in reach that equal it, itself included. With c = 1, its initial value,
      all equal events together weigh as much as one, so that fifty steps of corridor do not outweigh one cue. Each
      head learns its c, since how often something happened may matter, too.

    Args:
        encoded_size: D.
        hidden_size: H.
        heads, key_size, value_size: R, W, V.
        hops: reads per step; each further query also sees what the one before returned.
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
        self.read_size = heads * value_size + heads
        # Keys, values and gate of an event in one product.
        self.from_event = nn.Linear(encoded_size, heads * (key_size + value_size) + 1)
        nn.init.orthogonal_(self.from_event.weight)
        seen_size = hidden_size + encoded_size
        query_sizes = [seen_size] + [seen_size + self.read_size] * (hops - 1)
        self.queries = nn.ModuleList(nn.Linear(size, heads * key_size) for size in query_sizes)
        with torch.no_grad():
            self.from_event.bias.zero_()
            self.from_event.bias[-1] = gate_bias
            # The memory starts as an associative one: the current event retrieves events like it.
            cast(nn.Linear, self.queries[0]).weight[:, hidden_size:] = self.from_event.weight[: heads * key_size]
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

    def project(self, encoded: Tensor, birth: Tensor) -> Encodings:
        """Compute keys, values and gates of events encoded as [B, M, D] that happened at steps [B, M]."""
        size = self.heads * self.key_size
        keys, values, gates = self.from_event(encoded).split([size, self.heads * self.value_size, 1], dim=-1)
        if self.step_embedding is not None:
            keys = keys + self.key_of_step(self.step_embedding(birth, encoded.dtype))
        log_gates = nn.functional.logsigmoid(gates.squeeze(-1))
        return Encodings(self._by_head(keys), self._by_head(values), log_gates)

    def _by_head(self, vectors: Tensor) -> Tensor:
        """Cut [B, M, R * W] into [B, R, M, W]."""
        heads: Tensor = vectors.unflatten(-1, (self.heads, -1))
        return heads.transpose(1, 2)

    def forward(
        self,
        hidden: Tensor,
        encoded: Tensor,
        now: Tensor,
        groups: Sequence[Encodings],
        event_hashes: Tensor,
        alive: Tensor,
        age: Tensor,
    ) -> Attended:
        """Attend to the events alive at each step.

        Args:
            hidden: [T, B, H].
            encoded: [T, B, D] the current events.
            now: [T, B] step numbers.
            groups: encodings of the candidates, together M.
            event_hashes: [B, M] int64, equal for equal events.
            alive: [T, B, M] bool.
            age: [T, B, M] int64.
        """
        sizes = [group.log_gates.shape[1] for group in groups]
        alive, age = alive.transpose(0, 1).contiguous(), age.transpose(0, 1).contiguous()  # [B, T, M]
        penalty = self.duplicate_penalty.view(-1, 1, 1, 1) * self._log_duplicates(event_hashes, alive)  # [R, B, T, M]
        bias = (self.age_bias(age) + self._relative_gates(groups, alive) - penalty).transpose(0, 1)
        dead = ~alive.unsqueeze(1)  # [B, 1, T, M]
        order = self._order(now, hidden.dtype)
        seen = torch.cat([hidden, encoded], dim=-1)
        read, null_weights, weights_of_hops = seen[..., :0], seen[..., :0], []
        for query_of in self.queries:
            queries = (query_of(torch.cat([seen, read], dim=-1)) + order) / math.sqrt(self.key_size)
            queries = queries.unflatten(-1, (self.heads, -1)).permute(1, 2, 0, 3)  # [B, R, T, W]
            logits = torch.cat([queries @ group.keys.transpose(2, 3) for group in groups], dim=3) + bias
            null_logit = queries @ self.null_key.unsqueeze(2)
            # [B, R, T, 1 + M]
            weights = torch.cat([null_logit, logits.masked_fill(dead, -torch.inf)], dim=3).softmax(3)
            null, *shares = weights.split([1, *sizes], dim=3)
            weights_of_hops.append(weights[..., 1:])
            values = null * self.null_value.unsqueeze(1)
            for share, group in zip(shares, groups, strict=True):
                values = values + share @ group.values
            content = self.normalize(values.permute(2, 0, 1, 3).flatten(2))
            # The weight of the null slot shows how familiar the content is, which normalizing would hide.
            null_weights = null.squeeze(3).permute(2, 0, 1)
            read = torch.cat([content, null_weights], dim=2)
        weights = weights_of_hops[0] if len(weights_of_hops) == 1 else torch.cat(weights_of_hops, dim=1)
        return Attended(read, null_weights.mean(2), weights)

    def _relative_gates(self, groups: Sequence[Encodings], alive: Tensor) -> Tensor:
        """Log gates [B, T, M] relative to the most open one alive."""
        log_gates = torch.cat([group.log_gates for group in groups], dim=1).unsqueeze(1)
        log_gates = log_gates.expand_as(alive).masked_fill(~alive, -torch.inf)
        most_open = log_gates.amax(2, keepdim=True)
        # Where nothing is alive the maximum is -inf, and -inf - (-inf) would be NaN.
        return log_gates - most_open.masked_fill(most_open == -torch.inf, 0.0)

    @staticmethod
    def _log_duplicates(event_hashes: Tensor, alive: Tensor) -> Tensor:
        """Log of how many events alive equal each event, [B, T, M]; without meaning where an event is not alive."""
        equal = event_hashes.unsqueeze(1) == event_hashes.unsqueeze(2)
        return (alive.float() @ equal.float()).clamp(min=1.0).log()

    def _order(self, now: Tensor, dtype: torch.dtype) -> Tensor:
        """What the current step adds to the queries [T, B, R * W]."""
        if self.step_embedding is None:
            return torch.zeros((), dtype=dtype, device=now.device)
        return cast(Tensor, self.query_of_step(self.step_embedding(now, dtype)))
