"""The episodic memory: it keeps events, not vectors.

A slot holds an event (what was observed, as it was observed) and the step at which it happened. Keys, values and gates
are computed from the stored events with the current weights, every time a sequence is trained, so the gradient reaches
the write of an event however long ago it happened, and no stored state goes stale. See
`docs/how_it_works/episodic_memory.md`.
"""

from __future__ import annotations

from typing import NamedTuple, SupportsIndex, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.attention import Encodings, EventAttention
from engram.memory.episodic.slots import (
    choose_slot,
    event_hash,
    has_newer_duplicate,
    last_writers,
    readable_mask,
    slot_writes,
    step_numbers,
)
from engram.memory.interface import Encode, Memory, MemoryOutput, SlotAccess, StepSequence
from engram.memory.state import State, broadcast_like, tree_map


class EpisodicState(NamedTuple):
    """The stored events of one episode in each row; leaves of unfilled slots are never read."""

    events: State  # [B, N, ...]
    birth: Tensor  # [B, N] int64, the step at which the event happened
    event_hash: Tensor  # [B, N] int64, equal for equal events
    filled: Tensor  # [B, N] bool
    step: Tensor  # [B] int64, number of the next step


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
        ValueError: if a size is not positive.
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
        sizes = {"slots": slots, "heads": heads, "key_size": key_size, "value_size": value_size, "hops": hops}
        for name, size in sizes.items():
            if not isinstance(size, SupportsIndex) or size < 1:
                raise ValueError(f"{name}={size!r} must be a whole number of at least 1")
        self.encode = encode
        self.blank_event = tree_map(lambda leaf: torch.empty_like(leaf, device="meta"), event)
        self.slots = int(slots)
        self.attention = EventAttention(
            encoded_size, hidden_size, heads, key_size, value_size, hops, gate_bias, step_embedding_size
        )
        self.read_size = self.attention.read_size

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
        starts, slots = steps.episode_starts, torch.arange(self.slots, device=steps.hidden.device)
        now = step_numbers(state.step, starts)
        own = self.attention.project(steps.encoded.transpose(0, 1), now.t())
        carried = self.encode_slots(state, self.slots, starts[0])
        event_hashes = event_hash(tree_map(lambda leaf: leaf.transpose(0, 1), steps.events))
        if decisions is None:
            decisions = self.decide(carried.log_gates, own.log_gates, event_hashes, state, now, starts)
        alive = readable_mask(cast(Tensor, decisions), state.filled, starts)
        age = (now.unsqueeze(2) - torch.cat([state.birth, now.t()], dim=1)).clamp(min=0)
        known = torch.cat([state.event_hash, event_hashes], dim=1)
        attended = self.attention(steps.hidden, steps.encoded, now, (carried, own), known, alive, age)
        written = (cast(Tensor, decisions)[0].unsqueeze(1) == slots).float()
        gate = own.log_gates[:, 0].exp()
        return SlotAccess(attended.weights[:, :, 0, : self.slots], written, 1 - written.unsqueeze(2), gate)

    def forward(
        self, steps: StepSequence, state: EpisodicState, decisions: State | None = None, cache: State | None = None
    ) -> MemoryOutput:
        starts = steps.episode_starts
        now = step_numbers(state.step, starts)  # [T, B]
        used = self.in_use(state.filled, len(starts))
        own = self.attention.project(steps.encoded.transpose(0, 1), now.t())
        event_hashes = event_hash(tree_map(lambda leaf: leaf.transpose(0, 1), steps.events))  # [B, T]
        if cache is None:
            carried = self.encode_slots(state, used, starts[0])
            cache = self.cache_of(carried) if decisions is None else None
        else:
            carried = self.forget(cast(Encodings, cache), used, starts[0])
        if decisions is None:
            importance, candidates = cast(Encodings, cache).log_gates, own.log_gates.detach()
            decisions = self.decide(importance, candidates, event_hashes, state, now, starts)
        else:
            cache = None
        decisions = cast(Tensor, decisions)

        alive = readable_mask(decisions, state.filled[:, :used], starts)  # [T, B, M]
        age = (now.unsqueeze(2) - torch.cat([state.birth[:, :used], now.t()], dim=1)).clamp(min=0)
        known = torch.cat([state.event_hash[:, :used], event_hashes], dim=1)  # [B, M]
        attended = self.attention(steps.hidden, steps.encoded, now, (carried, own), known, alive, age)

        writer, filled = last_writers(decisions, state.filled, starts)
        places = slot_writes(decisions, writer)
        rows, _, steps_of, _ = places

        def after(slot: Tensor, event: Tensor) -> Tensor:  # [B, N, ...], [T, B, ...]
            slot = slot.clone()
            places.put(slot, event[steps_of, rows].to(slot.dtype))
            return slot

        new_state = EpisodicState(
            tree_map(after, state.events, steps.events),
            after(state.birth, now),
            after(state.event_hash, event_hashes.t()),
            filled,
            now[-1] + 1,
        )
        if cache is not None:  # handed over, not shared: what is not State may be updated in place
            slots = cast(Encodings, cache)
            places.put(slots.keys.transpose(1, 2), own.keys[rows, :, steps_of].detach())
            places.put(slots.values.transpose(1, 2), own.values[rows, :, steps_of].detach())
            places.put(slots.log_gates, own.log_gates[rows, steps_of].detach())
        trace = {
            "gate": own.log_gates.t().exp(),
            "write_rate": (decisions >= 0).float(),
            "occupancy": alive.sum(2) / self.slots,
            "null_read": attended.null_weight,
        }
        return MemoryOutput(attended.read, new_state, decisions, cache, trace)

    def in_use(self, filled: Tensor, length: int) -> int:
        """Tell how many slots need to be looked at: they fill from the first on, and no row [B, N] has used the others.

        On a GPU the question is a wait, which a single step is not worth.
        """
        if length == 1 and not filled.is_cpu:
            return self.slots
        return int((filled.any(0) * torch.arange(1, self.slots + 1, device=filled.device)).max())

    def encode_slots(self, state: EpisodicState, used: int, episode_start: Tensor) -> Encodings:
        """Encode the events in the first `used` slots with the current weights.

        What the rows [B] with an `episode_start` still hold is of an ended episode and is not looked at.
        """
        kept = (state.filled & ~episode_start.unsqueeze(1))[:, :used]

        def known(leaf: Tensor) -> Tensor:
            leaf = leaf[:, :used]
            return torch.where(broadcast_like(kept, leaf), leaf, torch.zeros_like(leaf)).flatten(0, 1)

        encoded = self.encode(tree_map(known, state.events)).unflatten(0, (len(state.filled), used))
        return self.attention.project(encoded, state.birth[:, :used])

    def cache_of(self, carried: Encodings) -> Encodings:
        """Return freshly encoded slots padded to all N, as what is good until the weights change."""

        def padded(leaf: Tensor) -> Tensor:  # the axis of the events is the last but one, but for the gates
            before = (0, 0) if leaf.dim() > 2 else ()
            missing = self.slots - carried.log_gates.shape[1]
            return nn.functional.pad(leaf.detach(), (*before, 0, missing))

        return tree_map(padded, carried)

    @staticmethod
    def forget(cache: Encodings, used: int, episode_start: Tensor) -> Encodings:
        """Return the first `used` slots of a cache, with the rows of ended episodes silenced in place.

        A weight of zero does not silence a NaN: what is dead must not be multiplied by anything but zero.
        """
        if episode_start.is_cpu:
            rows = episode_start.nonzero().squeeze(1)
            for leaf in cache:
                leaf[rows] = 0.0
        else:  # all of it is touched, but nothing is asked
            for leaf in cache:
                leaf.masked_fill_(broadcast_like(episode_start, leaf), 0.0)
        keys, values, log_gates = cache
        return Encodings(keys[:, :, :used], values[:, :, :used], log_gates[:, :used])

    @staticmethod
    @torch.no_grad()
    def decide(
        importance: Tensor,
        candidates: Tensor,
        event_hashes: Tensor,
        state: EpisodicState,
        now: Tensor,
        episode_starts: Tensor,
    ) -> Tensor:
        """Choose the slot of every step's event, one step after the other.

        Args:
            importance: [B, N] log gates of the stored events.
            candidates: [B, T] log gates of the sequence's events.
            event_hashes: [B, T] of the sequence's events.
            state: the state before the first step.
            now, episode_starts: [T, B].

        Returns:
            slot indices [T, B], see `memory.slots`.
        """
        stored, birth, filled = state.event_hash, state.birth, state.filled
        rows = torch.arange(len(filled), device=filled.device)
        decisions = []
        for t, start in enumerate(episode_starts):
            filled = filled & ~start.unsqueeze(1)
            outdated = filled & (stored == event_hashes[:, t : t + 1])
            if not filled.is_cpu or bool(filled.all(1).any()):  # else there is a free slot in every row
                equal = stored.unsqueeze(1) == stored.unsqueeze(2)
                outdated = has_newer_duplicate(equal, birth, filled) | outdated
            slot = choose_slot(importance, birth, filled, outdated, candidates[:, t])
            decisions.append(slot)
            if t + 1 < len(episode_starts):  # let it take effect
                who, where = rows[slot >= 0], slot[slot >= 0]
                importance, stored, birth = importance.clone(), stored.clone(), birth.clone()
                importance[who, where], stored[who, where] = candidates[who, t], event_hashes[who, t]
                birth[who, where], filled[who, where] = now[t, who], True
        return torch.stack(decisions)
