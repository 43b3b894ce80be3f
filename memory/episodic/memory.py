"""The episodic memory: it keeps events, not vectors.

A slot holds an event (what was observed, as it was observed) and the step at which it happened. Keys, values and gates
are computed from the stored events with the current weights, every time a sequence is trained, so the gradient reaches
the write of an event however long ago it happened, and no stored state goes stale. See
`docs/how_it_works/episodic_memory.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.arguments import check_int
from engram.memory.distinct import distinct
from engram.memory.episodic.acting.cache import SlotCache
from engram.memory.episodic.acting.definition import TRACED
from engram.memory.episodic.attend.definition import Events
from engram.memory.episodic.attend.native import path as attend_path
from engram.memory.episodic.attention import Attended, EventAttention
from engram.memory.episodic.event_log import (
    EMPTY,
    EpisodicState,
    EventLog,
    after_sequence,
    capacity,
    copied,
    started,
    stored_events,
)
from engram.memory.episodic.keeping import KEEP, importance
from engram.memory.episodic.reach import Candidates, Reach, reach_of
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.episodic.slots import slots_in_use, step_numbers
from engram.memory.event_hash import event_hash, hash_of_all
from engram.memory.exporting import at_hand
from engram.memory.interface import (
    Encode,
    Memory,
    MemoryOutput,
    RecordedSteps,
    ReplayedSteps,
    SlotAccess,
    StepSequence,
)
from engram.memory.state import State, concatenate, leaves, tree_map


class ReadPlan(NamedTuple):
    """What reading along P recorded chunks takes, as far as it does not depend on the weights."""

    stored: Tensor  # [P, U] the slots' events among the distinct ones
    birth: Tensor  # [P, M, E] embeddings of the steps at which the M = U + L candidates happened
    now: Tensor  # [P, L, E] embeddings of the steps' numbers
    reach: Reach  # [P, L, M]


class ExportedSlots(NamedTuple):
    """What a step with weights that stay carries: not the events, but what it takes of them (see `SlotCache`)."""

    projected: Tensor  # [B, N, S]
    log_gates: Tensor  # [B, N]
    event_hash: Tensor  # [B, N] int64
    birth: Tensor  # [B, N] int64
    duplicates: Tensor  # [B, N]
    rank: Tensor  # [B, N] int64
    step: Tensor  # [B] int64


class EpisodicMemory(Memory[EpisodicState]):
    """Bounded slots of events, written by a learned gate and read by attention (see `EventAttention`).

    When all slots are taken, a new event replaces first the oldest of which a newer equal is stored (so slots are not
    spent on duplicates), and otherwise the one with the lowest gate, if its own is higher (see `keep`).

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
        read: "dense" attends to all slots, "sparse" to the best k of each head (see `SparseEpisodicMemory`).
        k: events that each head reads, if reads are sparse.
        keep: what stays when slots are scarce: "gate", what the learned gate ranks highest; its controls "newest",
            "oldest" and "random" (see `importance`), which leave the gate to reading.

    Raises:
        ValueError: if a size is not a whole number of at least 1, `step_embedding_size` is not even and at least 0,
            `read` or `keep` is none of these, or reads are sparse and `keep` is not "gate".
    """

    reads = "dense"
    holds_events = True

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
        read: str = "dense",
        k: int = 16,
        keep: str = "gate",
    ) -> None:
        super().__init__(encode, event, encoded_size, hidden_size)
        if read not in ("dense", "sparse"):
            raise ValueError(f"read={read!r} must be dense or sparse")
        if read != self.reads:
            raise ValueError(f"read={read!r} for {type(self).__name__}, whose reads are {self.reads}")
        if read == "sparse" and hops != 1:
            raise ValueError(f"hops={hops} with read=sparse: sparse reads have a single hop")
        if keep not in KEEP:
            raise ValueError(f"keep={keep!r} must be one of {', '.join(KEEP)}")
        if read == "sparse" and keep != "gate":
            raise ValueError(f"keep={keep} with read=sparse: sparse reads keep by the gate")
        self.keep = keep
        self.encode = encode
        self.blank_event = tree_map(lambda leaf: torch.empty_like(leaf, device="meta"), event)
        self.slots = check_int("slots", slots)
        self.k = min(check_int("k", k), self.slots)
        self.attention = EventAttention(
            encoded_size, hidden_size, heads, key_size, value_size, hops, gate_bias, step_embedding_size
        )
        self.read_size = self.attention.read_size

    @property
    def hops(self) -> int:
        """Reads per step; later ones share their weights, so there may be more, or fewer, than were trained.

        Raises:
            ValueError: set to less than 2, or to anything else than 1 where there was a single one.
        """
        return self.attention.hops

    @hops.setter
    def hops(self, hops: int) -> None:
        trained = self.attention.hops
        if (trained == 1) != (check_int("hops", hops) == 1):
            raise ValueError(f"hops={hops} for a memory trained with {trained}: a single read has weights of its own")
        self.attention.hops = hops

    def path(self) -> str:
        return attend_path(self.attention.null_key, self.attention.null_value)

    def initial_state(self, batch_size: int) -> EpisodicState:
        device = self.attention.null_key.device
        shape = (batch_size, capacity(self.slots))
        numbers = torch.zeros(shape, dtype=torch.int64, device=device)
        constant = chain(self.constant or (), repeat(False))

        def blank(leaf: Tensor) -> Tensor:
            entries = 1 if next(constant) and self.slots > 1 else shape[1]
            return leaf.new_zeros((batch_size, entries, *leaf.shape[1:]), device=device)

        events = tree_map(blank, self.blank_event)
        place = torch.full((batch_size, self.slots), EMPTY, dtype=torch.int64, device=device)
        step = place.new_zeros(batch_size)
        log = EventLog(events, numbers, numbers.clone())
        return EpisodicState(log, place, step, step + shape[1], numbers.clone())

    def wiped(self, state: EpisodicState) -> EpisodicState:
        return state._replace(newest=torch.full_like(state.newest, EMPTY))

    def unwritten(self, before: EpisodicState, after: EpisodicState) -> EpisodicState:
        return before._replace(step=after.step)

    def forward(
        self, steps: StepSequence, state: EpisodicState, decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        start = steps.episode_starts[0]
        begins = not at_hand(start) or bool(
            start.any()
        )  # elsewhere than on a CPU the answer would have to be waited for
        state = started(state, start) if begins else state
        if decisions is not None or len(steps.hidden) > 1 or torch.is_grad_enabled():  # a cache has no gradient
            return self._along(steps, state, cast("Tensor | None", decisions))
        if cache is None:
            state = copied(state, wait=True)  # nobody else appends to the copy
            return self._acted(steps, state, self._cache_of(state))
        kept = cast(SlotCache, cache)
        if begins:
            kept.start_episodes(start)
        if kept.entry == capacity(self.slots):
            state, kept = copied(state), kept._replace(entry=self.slots)
        return self._acted(steps, state, kept)

    def _acted(self, steps: StepSequence, state: EpisodicState, cache: SlotCache) -> MemoryOutput:
        """Read at a single step, and decide what to write; the cache and the free part of the log are written to."""
        acted = cache.act(self.attention, steps, state, event_hash(steps.events, self.compared))
        trace = dict(zip(TRACED, acted.trace, strict=True))
        return MemoryOutput(acted.read, acted.after, acted.slot, cache._replace(entry=cache.entry + 1), trace)

    def _along(self, steps: StepSequence, state: EpisodicState, decisions: Tensor | None) -> MemoryOutput:
        """Read and write along a sequence: the definition of what acting and learning do."""
        attended, decisions, alive, gates, candidates = self._attend(steps, state, decisions)
        birth, hashes = (part[:, -len(decisions) :].t() for part in (candidates.birth, candidates.event_hash))
        written = EventLog(steps.events, birth, hashes)
        after = after_sequence(state, written, decisions, steps.episode_starts)
        trace = {
            "gate": gates,
            "write_rate": (decisions >= 0).float(),
            "occupancy": alive.sum(2).t() / self.slots,
            "null_read": attended.null_weight,
        }
        return MemoryOutput(attended.read, after, decisions, None, trace)

    @torch.no_grad()
    def access(self, steps: StepSequence, state: EpisodicState, decisions: State | None = None) -> SlotAccess:
        state = started(state, steps.episode_starts[0])
        attended, slot, _, gates, _ = self._attend(steps, state, cast("Tensor | None", decisions), self.slots)
        written = (slot[0].unsqueeze(1) == torch.arange(self.slots, device=slot.device)).float()
        return SlotAccess(attended.weights[:, :, 0, : self.slots], written, 1 - written.unsqueeze(2), gates[0])

    def _attend(
        self, steps: StepSequence, state: EpisodicState, decisions: Tensor | None, used: int | None = None
    ) -> tuple[Attended, Tensor, Tensor, Tensor, Candidates]:
        """Read along a sequence from the first `used` slots, by default those in use, and from its own events.

        Returns:
            the reads, the decisions, what was alive [B, T, M], the gates of the events [T, B], and the candidates.
        """
        used = slots_in_use(state.filled, len(steps.hidden)) if used is None else used
        now = step_numbers(state.step, steps.episode_starts)
        candidates = Candidates(
            torch.cat([state.birth[:, :used], now.t()], dim=1),
            torch.cat([state.event_hash[:, :used], event_hash(steps.events, self.compared).t()], dim=1),
            state.filled[:, :used],
        )
        attention = self.attention
        stored, own = self._project_slots(state, used), attention.from_event(steps.encoded)
        if decisions is None:
            decisions = self._decide(state, stored[..., -1], own[..., -1], candidates, steps.episode_starts)
        reach = reach_of(candidates, decisions, steps.episode_starts, attention.age_bias)
        projected = torch.cat([stored, own.transpose(0, 1)], dim=1).flatten(0, 1)
        events = Events(projected, None, attention.of_step(attention.embedded(candidates.birth)))
        attended = attention(steps.hidden, steps.encoded, attention.embedded(now.t()), events, reach)
        return attended, decisions, reach.alive, torch.sigmoid(own[..., -1]), candidates

    @torch.no_grad()
    def _decide(
        self, state: EpisodicState, stored: Tensor, own: Tensor, candidates: Candidates, episode_starts: Tensor
    ) -> Tensor:
        """Choose the slot of every step's event, one step after the other.

        Args:
            state: before the first step.
            stored, own: [B, U] and [T, B] gates before the sigmoid.
            candidates: of the sequence.
            episode_starts: [T, B] bool.

        Returns:
            decisions [T, B].
        """
        used = stored.shape[1]
        log_gates = nn.functional.logsigmoid(torch.cat([stored, own.t()], dim=1))
        ranked = importance(self.keep, log_gates, candidates.event_hash, candidates.birth)
        held = nn.functional.pad(ranked[:, :used], (0, self.slots - used))
        facts = SlotFacts.of(held, state.event_hash, state.birth, state.filled)
        ranks, hashes, births = (part[:, used:].t() for part in (ranked, candidates.event_hash, candidates.birth))
        return facts.take_along(ranks, hashes, births, episode_starts)

    def _project_slots(self, state: EpisodicState, used: int) -> Tensor:
        """Encode the events in the first `used` slots with the current weights, [B, U, S] as for `Events`."""
        if not used:
            return self.attention.null_key.new_zeros(len(state.step), 0, self.attention.from_event.out_features)
        events, hashes = self._stored_events(state, used)
        flat = tree_map(lambda leaf: leaf.flatten(0, 1), events)
        if at_hand(hashes):
            first, number = distinct(hashes.flatten())
            encoded = self.encode(tree_map(lambda leaf: leaf.index_select(0, first), flat))
            projected = self.attention.from_event(encoded).index_select(0, number)
        else:  # how many are distinct would have to be waited for
            projected = self.attention.from_event(self.encode(flat))
        return cast(Tensor, projected.unflatten(0, hashes.shape))

    def _stored_events(self, state: EpisodicState, used: int) -> tuple[State, Tensor]:
        """Return the events in the first `used` slots, and hashes that are equal where they are to the last bit."""
        events, hashes = stored_events(state, used)
        return events, hash_of_all(events, hashes, self.compared)

    @torch.no_grad()
    def _cache_of(self, state: EpisodicState) -> SlotCache:
        """Encode the slots; what results can be used until the weights change."""
        return SlotCache.of(self._project_slots(state, slots_in_use(state.filled, 1)), state, self.attention, self.keep)

    def to_export(self, state: EpisodicState, cache: object = None) -> ExportedSlots:
        if self.reads != "dense":
            raise ValueError(f"read={self.reads}: a sparse read cannot be exported; train with memory.read=dense")
        kept = self._cache_of(state) if cache is None else cast(SlotCache, cache)
        return ExportedSlots(kept.projected, *kept.facts, state.step)

    def from_export(self, carried: State) -> tuple[EpisodicState, SlotCache]:
        slots = ExportedSlots(*(leaf.clone() for leaf in leaves(carried)))
        state = self.initial_state(len(slots.step))._replace(step=slots.step)
        return state, SlotCache(slots.projected, SlotFacts(*slots[1:-1]), None, self.slots, self.keep)

    def stored(self, states: Sequence[EpisodicState], recorded: RecordedSteps) -> tuple[State, Tensor]:
        used = slots_in_use(torch.cat([state.filled for state in states]), len(states) + 1)
        events, hashes = zip(*(self._stored_events(state, used) for state in states), strict=True)
        return concatenate(events), torch.cat(hashes)

    def plan(self, states: Sequence[EpisodicState], recorded: RecordedSteps, stored: Tensor | None = None) -> ReadPlan:
        used, starts = cast(Tensor, stored).shape[1], recorded.episode_starts
        first = starts[0].split([len(state.step) for state in states])
        begun = [started(state, start) for state, start in zip(states, first, strict=True)]
        now = step_numbers(torch.cat([state.step for state in begun]), starts)
        births, hashes, filled = (
            torch.cat([getattr(state, name)[:, :used] for state in begun]) for name in ("birth", "event_hash", "filled")
        )
        candidates = Candidates(
            torch.cat([births, now.t()], dim=1), torch.cat([hashes, recorded.event_hash.t()], dim=1), filled
        )
        reach = reach_of(candidates, cast(Tensor, recorded.decisions), starts, self.attention.age_bias)
        embedded = self.attention.embedded
        return ReadPlan(cast(Tensor, stored), embedded(candidates.birth), embedded(now.t()), reach)

    def refers_to(self, plan: State) -> list[Tensor]:
        return [cast(ReadPlan, plan).stored]

    @torch.no_grad()
    def drawn(self, steps: ReplayedSteps, plan: State) -> Tensor:
        alive, _, log_duplicates = cast(ReadPlan, plan).reach
        likely = torch.where(alive, (-log_duplicates).exp(), 0.0)  # equal events together as often as another one
        likely[..., 0] += torch.finfo(likely.dtype).tiny  # one has to be drawn where nothing is alive, too
        chosen = torch.multinomial(likely.flatten(0, 1), 1).view(alive.shape[:2])
        event = _candidates(steps).gather(1, chosen)
        return event.masked_fill(~alive.any(2), -1).t()

    def recall(self, steps: ReplayedSteps, plan: State, decisions: State) -> Tensor:
        given, candidates = cast(ReadPlan, plan), _candidates(steps)
        events = Events(self.attention.from_event(steps.table), candidates, self.attention.of_step(given.birth))
        attended: Attended = self.attention(steps.hidden, steps.encoded, given.now, events, given.reach)
        return attended.read


def _candidates(steps: ReplayedSteps) -> Tensor:
    """Return where the events that steps may read, [B, M], are in the table: those of slots, and then their own."""
    return torch.cat([*steps.stored, steps.event.t()], dim=1)
