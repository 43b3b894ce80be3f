"""The episodic memory: it keeps events, not vectors.

A slot holds an event (what was observed, as it was observed) and the step at which it happened. Keys, values and gates
are computed from the stored events with the current weights, every time a sequence is trained, so the gradient reaches
the write of an event however long ago it happened, and no stored state goes stale. See
`docs/how_it_works/episodic_memory.md`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.episodic.attention import Attended, Encodings, EventAttention
from engram.memory.episodic.event_hash import event_hash
from engram.memory.episodic.slots import (
    choose_slots,
    last_writers,
    readable_mask,
    slot_writes,
    slots_in_use,
    step_numbers,
)
from engram.memory.interface import Encode, Memory, MemoryOutput, SlotAccess, StepSequence
from engram.memory.paths import FUSED
from engram.memory.state import State, broadcast_like, tree_map


class EpisodicState(NamedTuple):
    """The stored events of one episode in each row; leaves of unfilled slots are never read."""

    events: State  # [B, N, ...]
    birth: Tensor  # [B, N] int64, the step at which the event happened
    event_hash: Tensor  # [B, N] int64, equal for equal events
    filled: Tensor  # [B, N] bool
    step: Tensor  # [B] int64, number of the next step


class _NewEvents(NamedTuple):
    """The events of a sequence of steps."""

    birth: Tensor  # [T, B] int64, the number of the step in its episode
    event_hash: Tensor  # [T, B] int64
    encodings: Encodings  # M = T


class EpisodicMemory(Memory[EpisodicState]):
    """Bounded slots of events, written by a learned gate and read by attention (see `EventAttention`).

    When all slots are taken, a new event replaces first the oldest of which a newer equal is stored (so slots are not
    spent on duplicates), and otherwise the one with the lowest gate, if its own is higher.

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
        ValueError: if a size is not a whole number of at least 1, or `step_embedding_size` is not even and at least 0.
    """

    def __init__(
        self,
        encode: Encode,
        event: State,
        encoded_size: int,
        hidden_size: int,
        slots: int = 64,
        heads: int = 4,
        key_size: int = 32,
        value_size: int = 32,
        hops: int = 1,
        gate_bias: float = 3.0,
        step_embedding_size: int = 32,
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        self.encode = encode
        self.blank_event = tree_map(lambda leaf: torch.empty_like(leaf, device="meta"), event)
        self.slots = check_int("slots", slots)
        self.attention = EventAttention(
            encoded_size, hidden_size, heads, key_size, value_size, hops, gate_bias, step_embedding_size
        )
        self.read_size = self.attention.read_size

    def path(self) -> str:
        return FUSED  # all steps at once

    def initial_state(self, batch_size: int) -> EpisodicState:
        device = self.attention.null_key.device
        shape = (batch_size, self.slots)
        return EpisodicState(
            tree_map(lambda leaf: leaf.new_zeros(shape + leaf.shape[1:], device=device), self.blank_event),
            torch.zeros(shape, dtype=torch.int64, device=device),
            torch.zeros(shape, dtype=torch.int64, device=device),
            torch.zeros(shape, dtype=torch.bool, device=device),
            torch.zeros(batch_size, dtype=torch.int64, device=device),
        )

    def wiped(self, state: EpisodicState) -> EpisodicState:
        return state._replace(filled=torch.zeros_like(state.filled))

    def unwritten(self, before: EpisodicState, after: EpisodicState) -> EpisodicState:
        return before._replace(step=after.step)

    @torch.no_grad()
    def access(self, steps: StepSequence, state: EpisodicState, decisions: State | None = None) -> SlotAccess:
        if decisions is None:
            decisions = self(steps, state).decisions
        new = self._encode_steps(steps, state)
        carried = self.encode_slots(state, self.slots, steps.episode_starts[0])
        attended, _ = self._attend(steps, state, cast(Tensor, decisions), new, carried)
        slots = torch.arange(self.slots, device=steps.hidden.device)
        written = (cast(Tensor, decisions)[0].unsqueeze(1) == slots).float()
        gate = new.encodings.log_gates[:, 0].exp()
        return SlotAccess(attended.weights[:, :, 0, : self.slots], written, 1 - written.unsqueeze(2), gate)

    def forward(
        self, steps: StepSequence, state: EpisodicState, decisions: State | None = None, cache: State | None = None
    ) -> MemoryOutput:
        starts = steps.episode_starts
        used = slots_in_use(state.filled, len(starts))
        new = self._encode_steps(steps, state)
        if cache is None:
            carried = self.encode_slots(state, used, starts[0])
            cache = self.cache_of(carried) if decisions is None else None
        else:
            carried = self.read_cache(cast(Encodings, cache), used, starts[0])
        if decisions is None:
            importance, candidates = cast(Encodings, cache).log_gates, new.encodings.log_gates.detach()
            stored = state.event_hash, state.birth, state.filled
            decisions = choose_slots(importance, *stored, candidates, new.event_hash, new.birth, starts)
        else:
            cache = None
        decisions = cast(Tensor, decisions)
        attended, alive = self._attend(steps, state, decisions, new, carried)

        writer, filled = last_writers(decisions, state.filled, starts)
        places = slot_writes(decisions, writer)
        rows, _, steps_of, _ = places

        def after(slot: Tensor, event: Tensor) -> Tensor:  # [B, N, ...], [T, B, ...]
            slot = slot.clone()
            places.put(slot, event[steps_of, rows].to(slot.dtype))
            return slot

        new_state = EpisodicState(
            tree_map(after, state.events, steps.events),
            after(state.birth, new.birth),
            after(state.event_hash, new.event_hash),
            filled,
            new.birth[-1] + 1,
        )
        if cache is not None:  # the caller gives its cache away, so it can be updated in place
            slots = cast(Encodings, cache)
            places.put(slots.keys.transpose(1, 2), new.encodings.keys[rows, :, steps_of].detach())
            places.put(slots.values.transpose(1, 2), new.encodings.values[rows, :, steps_of].detach())
            places.put(slots.log_gates, new.encodings.log_gates[rows, steps_of].detach())
        trace = {
            "gate": new.encodings.log_gates.t().exp(),
            "write_rate": (decisions >= 0).float(),
            "occupancy": alive.sum(2) / self.slots,
            "null_read": attended.null_weight,
        }
        return MemoryOutput(attended.read, new_state, decisions, cache, trace)

    def _encode_steps(self, steps: StepSequence, state: EpisodicState) -> _NewEvents:
        birth = step_numbers(state.step, steps.episode_starts)
        encodings = self.attention.project(steps.encoded.transpose(0, 1), birth.t())
        return _NewEvents(birth, event_hash(steps.events), encodings)

    def _attend(
        self, steps: StepSequence, state: EpisodicState, decisions: Tensor, new: _NewEvents, carried: Encodings
    ) -> tuple[Attended, Tensor]:
        """Read at every step; `carried` are the first slots. Return the reads and which events are alive [T, B, M]."""
        used = carried.log_gates.shape[1]
        alive = readable_mask(decisions, state.filled[:, :used], steps.episode_starts)
        birth = torch.cat([state.birth[:, :used], new.birth.t()], dim=1)  # [B, M]
        age = (new.birth.unsqueeze(2) - birth).clamp(min=0)
        hashes = torch.cat([state.event_hash[:, :used], new.event_hash.t()], dim=1)
        groups = carried, new.encodings
        return self.attention(steps.hidden, steps.encoded, new.birth, groups, hashes, alive, age), alive

    def encode_slots(self, state: EpisodicState, used: int, episode_start: Tensor) -> Encodings:
        """Encode the events in the first `used` slots with the current weights.

        Rows [B] with an `episode_start` hold events of an ended episode, which are not encoded.
        """
        kept = (state.filled & ~episode_start.unsqueeze(1))[:, :used]

        def known(leaf: Tensor) -> Tensor:
            leaf = leaf[:, :used]
            return torch.where(broadcast_like(kept, leaf), leaf, torch.zeros_like(leaf)).flatten(0, 1)

        encoded = self.encode(tree_map(known, state.events)).unflatten(0, (len(state.filled), used))
        return self.attention.project(encoded, state.birth[:, :used])

    def cache_of(self, carried: Encodings) -> Encodings:
        """Pad freshly encoded slots to all N; they can be used until the weights change."""

        def padded(leaf: Tensor) -> Tensor:  # the axis of the events is the last but one, but for the gates
            before = (0, 0) if leaf.dim() > 2 else ()
            missing = self.slots - carried.log_gates.shape[1]
            return nn.functional.pad(leaf.detach(), (*before, 0, missing))

        return tree_map(padded, carried)

    @staticmethod
    def read_cache(cache: Encodings, used: int, episode_start: Tensor) -> Encodings:
        """Return the first `used` slots of a cache, with the rows of ended episodes set to zero in place.

        A weight of zero times NaN is NaN, so what is left of an ended episode must be finite.
        """
        if episode_start.is_cpu:
            rows = episode_start.nonzero().squeeze(1)
            for leaf in cache:
                leaf[rows] = 0.0
        else:  # writes to every row, but does not wait for the GPU
            for leaf in cache:
                leaf.masked_fill_(broadcast_like(episode_start, leaf), 0.0)
        keys, values, log_gates = cache
        return Encodings(keys[:, :, :used], values[:, :, :used], log_gates[:, :used])
