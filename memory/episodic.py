"""The episodic memory: it keeps events, not vectors.

A slot holds an event (what was observed, as it was observed) and the step at which it happened. Keys, values and gates
are computed from the stored events with the current weights, every time a sequence is trained, so the gradient reaches
the write of an event however long ago it happened, and no stored state goes stale. `docs/episodic_memory.md` tells why.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from memory.addressing import AgeBias, StepEmbedding
from memory.interface import Encode, Memory, Recall, Steps
from memory.slots import choose_slot, last_writers, readable, step_numbers, superseded
from memory.state import State, broadcast_like, tree_map


class EpisodicState(NamedTuple):
    """The stored events of one episode in each row; leaves of unfilled slots are never read."""

    events: State  # [B, N, ...]
    birth: Tensor  # [B, N] int64, the step at which the event happened
    filled: Tensor  # [B, N] bool
    step: Tensor  # [B] int64, number of the next step


class Encodings(NamedTuple):
    """What the current weights make of M events."""

    direction: Tensor  # [B, M, D] the encoded events, scaled to length 1; tells which are alike
    keys: Tensor  # [B, M, R, W]
    values: Tensor  # [B, M, R, V]
    log_gates: Tensor  # [B, M]


class Cache(NamedTuple):
    """What the current weights make of the stored events; good until the weights change."""

    slots: Encodings  # [B, N, ...]
    superseded: Tensor  # [B, N] bool, a newer event like it is stored


class EpisodicMemory(Memory[EpisodicState]):
    """Bounded slots of events, written by a learned gate and read by multi-head attention over events.

    Logits are `q·k/√W + log gate + bias(age)`, beside a null slot that means "nothing to recall". The key of an event
    carries a step embedding and the query a learned function of the current step, so that order can be addressed as
    well as content. The log gates are taken relative to the most open gate in reach: they rank events against each
    other, but cannot shut the memory as a whole; whether to recall anything is left to the null slot.

    When all slots are taken, a new event replaces first the oldest of which a newer like is stored (so slots are not
    spent on near-duplicates), and otherwise the one with the lowest gate, if its own is higher.

    Args:
        encode, event, encoded_size, hidden_size: see `Memory`.
        slots: N, events kept at most.
        heads: R, attention heads.
        key_size: W of each head.
        value_size: V of each head.
        hops: reads per step; each further query also sees what the one before returned.
        gate_bias: initial bias of the write gate; it starts open (sigmoid(3) = 0.95), because reads are noise at first
            and would otherwise teach it to close.
        step_embedding_size: size of the step embedding; 0 for no order addressing.

    Raises:
        ValueError: if a size is not positive.
    """

    alike_from = 0.9999
    """Cosine similarity of encodings from which two events count as the same."""

    def __init__(
        self,
        encode: Encode,
        event: State,
        encoded_size: int,
        hidden_size: int,
        slots: int = 128,
        heads: int = 4,
        key_size: int = 32,
        value_size: int = 32,
        hops: int = 1,
        gate_bias: float = 3.0,
        step_embedding_size: int = 32,
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        sizes = {"slots": slots, "heads": heads, "key_size": key_size, "value_size": value_size, "hops": hops}
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name}={size!r} must be a whole number of at least 1")
        self.encode = encode
        self.blank_event = tree_map(lambda leaf: torch.empty_like(leaf, device="meta"), event)
        self.slots, self.heads, self.key_size, self.value_size = slots, heads, key_size, value_size
        self.read_size = heads * value_size + heads

        # Keys, values and gate of an event in one product.
        self.from_event = nn.Linear(encoded_size, heads * (key_size + value_size) + 1)
        nn.init.orthogonal_(self.from_event.weight)
        with torch.no_grad():
            self.from_event.bias.zero_()
            self.from_event.bias[-1] = gate_bias
        seen_size = hidden_size + encoded_size
        query_sizes = [seen_size] + [seen_size + self.read_size] * (hops - 1)
        self.queries = nn.ModuleList(nn.Linear(size, heads * key_size) for size in query_sizes)
        with torch.no_grad():
            # The memory starts as an associative one: what is seen now recalls what was like it.
            cast(nn.Linear, self.queries[0]).weight[:, hidden_size:] = self.from_event.weight[: heads * key_size]
        self.null_key = nn.Parameter(torch.zeros(heads, key_size))
        self.null_value = nn.Parameter(torch.zeros(heads, value_size))
        self.age_bias = AgeBias(heads)
        self.normalise = nn.LayerNorm(heads * value_size)

        self.step_embedding: StepEmbedding | None = None
        if step_embedding_size:
            self.step_embedding = StepEmbedding(step_embedding_size)
            self.key_of_step = nn.Linear(step_embedding_size, heads * key_size, bias=False)
            self.query_of_step = nn.Sequential(
                nn.Linear(step_embedding_size, 64), nn.ReLU(), nn.Linear(64, heads * key_size)
            )
            # Order plays no part until learning finds a use for it.
            nn.init.zeros_(cast(nn.Linear, self.query_of_step[-1]).weight)
            nn.init.zeros_(cast(nn.Linear, self.query_of_step[-1]).bias)

    def initial_state(self, batch_size: int) -> EpisodicState:
        device = self.null_key.device
        shape = (batch_size, self.slots)
        return EpisodicState(
            tree_map(lambda leaf: leaf.new_zeros(shape + leaf.shape[1:], device=device), self.blank_event),
            torch.zeros(shape, dtype=torch.int64, device=device),
            torch.zeros(shape, dtype=torch.bool, device=device),
            torch.zeros(batch_size, dtype=torch.int64, device=device),
        )

    def wiped(self, state: EpisodicState) -> EpisodicState:
        return state._replace(filled=torch.zeros_like(state.filled))

    def forward(
        self, steps: Steps, state: EpisodicState, writes: State | None = None, cache: State | None = None
    ) -> Recall:
        starts = steps.episode_starts
        now = step_numbers(state.step, starts)  # [T, B]
        # Slots fill from the first on: those that no row has used yet need not be looked at.
        used = int((state.filled.any(0) * torch.arange(1, self.slots + 1, device=now.device)).max())
        own = self.project(steps.encoded.transpose(0, 1), now.t())
        carried = self.encode_slots(state, used, starts[0]) if cache is None else cast(Cache, cache).slots
        candidates = tree_map(lambda slot, event: torch.cat([slot[:, :used], event], dim=1), carried, own)
        if writes is None:
            cache = self.cache_of(carried, state, used) if cache is None else cast(Cache, cache)
            writes, cache = self.decide(cache, own, state, now, starts)
        else:
            cache = None
        writes = cast(Tensor, writes)

        alive = readable(writes, state.filled[:, :used], starts)  # [T, B, M]
        birth = torch.cat([state.birth[:, :used], now.t()], dim=1)  # [B, M]
        age = (now.unsqueeze(2) - birth).clamp(min=0)
        read, null_weight = self.read(steps, now, candidates, alive, age)

        writer, filled = last_writers(writes, state.filled, starts)
        rows, taken = (writer >= 0).nonzero(as_tuple=True)

        def after(slot: Tensor, event: Tensor) -> Tensor:  # [B, N, ...], [B, T, ...]
            slot = slot.clone()
            slot[rows, taken] = event[rows, writer[rows, taken]].to(slot.dtype)
            return slot

        own_events = tree_map(lambda leaf: leaf.transpose(0, 1), steps.events)
        new_state = EpisodicState(
            tree_map(after, state.events, own_events), after(state.birth, now.t()), filled, now[-1] + 1
        )
        trace = {
            "gate": own.log_gates.t().exp(),
            "write_rate": (writes >= 0).float(),
            "occupancy": alive.sum(2) / self.slots,
            "null_read": null_weight,
        }
        return Recall(read, new_state, writes, cache, trace)

    def encode_slots(self, state: EpisodicState, used: int, episode_start: Tensor) -> Encodings:
        """Encode the events in the first `used` slots with the current weights; zeros stand for the others.

        What the rows [B] with an `episode_start` still hold is of an ended episode and is not looked at.
        """
        kept = (state.filled & ~episode_start.unsqueeze(1))[:, :used]

        def known(leaf: Tensor) -> Tensor:
            leaf = leaf[:, :used]
            return torch.where(broadcast_like(kept, leaf), leaf, torch.zeros_like(leaf)).flatten(0, 1)

        events = tree_map(known, state.events)
        encoded = self.encode(events).unflatten(0, (len(state.filled), used))
        encodings = self.project(encoded, state.birth[:, :used])
        missing = self.slots - used
        return tree_map(lambda leaf: nn.functional.pad(leaf, (0, 0) * (leaf.dim() - 2) + (0, missing)), encodings)

    def project(self, encoded: Tensor, birth: Tensor) -> Encodings:
        """Compute keys, values and gates of events encoded as [B, M, D] that happened at steps [B, M]."""
        size = self.heads * self.key_size
        keys, values, gates = self.from_event(encoded).split([size, self.heads * self.value_size, 1], dim=-1)
        if self.step_embedding is not None:
            keys = keys + self.key_of_step(self.step_embedding(birth, encoded.dtype))
        heads = (self.heads, -1)
        log_gates = nn.functional.logsigmoid(gates.squeeze(-1))
        direction = nn.functional.normalize(encoded.detach(), dim=-1)
        return Encodings(direction, keys.unflatten(-1, heads), values.unflatten(-1, heads), log_gates)

    @torch.no_grad()
    def cache_of(self, slots: Encodings, state: EpisodicState, used: int) -> Cache:
        """Return the cache that belongs to freshly encoded slots, of which the first `used` hold something."""
        outdated = torch.zeros_like(state.filled)
        alike = self.alike(slots.direction[:, :used], slots.direction[:, :used])
        outdated[:, :used] = superseded(alike, state.birth[:, :used], state.filled[:, :used])
        return Cache(tree_map(Tensor.detach, slots), outdated)

    @torch.no_grad()
    def decide(
        self, cache: Cache, own: Encodings, state: EpisodicState, now: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, Cache]:
        """Choose the slot of every step's event, one step after the other.

        Args:
            cache: of the slots before the first step; handed over and updated in place.
            own: encodings [B, T, ...] of the sequence's events.
            state: the state before the first step.
            now, episode_starts: [T, B].

        Returns:
            slot indices [T, B] (see `memory.slots`) and the cache after the last step.
        """
        slots, outdated = cache
        birth, filled = state.birth.clone(), state.filled.clone()
        rows = torch.arange(len(filled), device=filled.device)
        writes = []
        for t, start in enumerate(episode_starts):
            filled &= ~start.unsqueeze(1)
            event = tree_map(lambda leaf, t=t: leaf[:, t].detach(), own)
            outdated = filled & (outdated | self.alike(slots.direction, event.direction.unsqueeze(1)).squeeze(2))
            slot = choose_slot(slots.log_gates, birth, filled, outdated, event.log_gates)
            writes.append(slot)
            written = slot >= 0
            who, where = rows[written], slot[written]
            for stored, new in zip(slots, event, strict=True):
                stored[who, where] = new[who]
            birth[who, where], filled[who, where], outdated[who, where] = now[t, who], True, False
        return torch.stack(writes), Cache(slots, outdated)

    def alike(self, some: Tensor, others: Tensor) -> Tensor:
        """Tell which events are the same but for rounding and what the encoder ignores.

        Args:
            some, others: directions [B, M, D] and [B, L, D].

        Returns:
            [B, M, L] bool.
        """
        return torch.einsum("bmd,bld->bml", some, others) > self.alike_from

    def read(self, steps: Steps, now: Tensor, events: Encodings, alive: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to the events alive at each step.

        Args:
            steps: the sequence.
            now: [T, B] step numbers.
            events: encodings of the M candidates.
            alive: [T, B, M] bool.
            age: [T, B, M] int64.

        Returns:
            the read [T, B, R * V + R] (the normalised content, and for every head the weight of the null slot), and the
            mean weight [T, B] of the null slot.
        """
        log_gates = events.log_gates.expand_as(alive).masked_fill(~alive, -torch.inf)
        most_open = log_gates.amax(2, keepdim=True) if alive.shape[2] else log_gates.sum(2, keepdim=True)
        # Where nothing is alive the maximum is -inf and -inf - (-inf) would be NaN.
        relative = log_gates - most_open.masked_fill(most_open == -torch.inf, 0.0)
        bias = (self.age_bias(age) + relative.unsqueeze(3)).transpose(2, 3)  # [T, B, R, M]
        dead = ~alive.unsqueeze(2)
        # A weight of zero does not silence a NaN: what is dead throughout must not be multiplied at all.
        reachable = alive.any(0).unsqueeze(2).unsqueeze(3)
        values = torch.where(reachable, events.values, torch.zeros_like(events.values))

        order = (
            self.query_of_step(self.step_embedding(now, steps.hidden.dtype)) if self.step_embedding is not None else 0.0
        )
        seen = torch.cat([steps.hidden, steps.encoded], dim=-1)
        read, weights = seen[..., :0], bias
        for query_of in self.queries:
            queries = (query_of(torch.cat([seen, read], dim=-1)) + order).unflatten(-1, (self.heads, -1))
            queries = queries / math.sqrt(self.key_size)
            logits = torch.einsum("tbrw,bmrw->tbrm", queries, events.keys) + bias
            logits = logits.masked_fill(dead, -torch.inf)
            null_logit = torch.einsum("tbrw,rw->tbr", queries, self.null_key).unsqueeze(3)
            weights = torch.cat([null_logit, logits], dim=3).softmax(3)
            recalled = torch.einsum("tbrm,bmrv->tbrv", weights[..., 1:], values)
            content = self.normalise((recalled + weights[..., :1] * self.null_value).flatten(2))
            # How familiar it is beside what it was: the weight of the null slot, which normalising would hide.
            read = torch.cat([content, weights[..., 0]], dim=2)
        return read, weights[..., 0].mean(2)
