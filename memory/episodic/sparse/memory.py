"""The episodic memory with sparse reads: for memories of thousands of slots, up to a million."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from engram.memory.episodic.acting.definition import TRACED
from engram.memory.episodic.event_log import EpisodicState, EventLog, after_sequence, events_at, started
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.episodic.slots import step_numbers
from engram.memory.episodic.sparse import definition
from engram.memory.episodic.sparse.book import NOTHING
from engram.memory.episodic.sparse.cache import SparseCache
from engram.memory.episodic.sparse.decisions import SparseDecisions
from engram.memory.episodic.sparse.definition import blanked, distinct_events
from engram.memory.episodic.sparse.read import Found, queries, read_found
from engram.memory.episodic.sparse.search import path as search_path
from engram.memory.event_hash import event_hash, hash_of_all
from engram.memory.interface import MemoryOutput, RecordedSteps, ReplayedSteps, SlotAccess, StepSequence
from engram.memory.state import State, concatenate, tree_map


class FoundPlan(NamedTuple):
    """What reading along P recorded chunks takes, as far as it does not depend on the weights; U = L * R * k."""

    stored: Tensor  # [P, U] what was found in slots carried into the chunk, among the distinct events
    own: Tensor  # [P, U] the step of the chunk whose event was found, or NOTHING
    step: Tensor  # [P, L] the steps' numbers
    found: Tensor  # [P, L, R, k] see `SparseDecisions`
    age: Tensor
    duplicates: Tensor


class SparseEpisodicMemory(EpisodicMemory):
    """An episodic memory that reads the k best events of each head: what `memory=episodic memory.read=sparse` makes.

    While the agent acts, the k slots of the highest logits are searched for without gradient (see `SearchKeys`), and
    only their events are encoded and attended to. What was found is recorded, and learning attends to the same.
    """

    reads = "sparse"
    holds_events = False  # what is read was found while acting; no other question can be asked of it

    def path(self) -> str:
        return search_path(self.attention.null_key)

    def _acted(self, steps: StepSequence, state: EpisodicState, cache: Any) -> MemoryOutput:
        kept, hashes, acted = cast(SparseCache, cache), event_hash(steps.events, self.compared), None
        if kept.native is not None:
            acted = kept.native(self.encode, steps, state, hashes, kept.entry)
        if acted is None:
            acted = definition.act(self.attention, self.encode, steps, state, hashes, kept, self.k, self.compared)
        trace = dict(zip(TRACED, acted.trace, strict=True))
        return MemoryOutput(acted.read, acted.after, acted.decisions, kept._replace(entry=kept.entry + 1), trace)

    def _along(self, steps: StepSequence, state: EpisodicState, decisions: Any) -> MemoryOutput:
        if decisions is None:
            decisions = self._decide_stepwise(steps, state)
        recorded = RecordedSteps(event_hash(steps.events, self.compared), steps.episode_starts, decisions)
        events, hashes = self.stored([state], recorded)
        number, others = distinct_events(events, hashes)
        table = torch.cat([steps.encoded.flatten(0, 1), self.encode(others)])
        own = torch.arange(hashes.new_empty(recorded.event_hash.shape).numel(), device=hashes.device)
        stored = number + len(own)
        plan = self.plan([state], recorded, stored)
        replayed = ReplayedSteps(*steps, table, own.view(recorded.event_hash.shape), [stored])
        read, null, _ = self._read(replayed, plan)
        gates = torch.sigmoid(self.attention.from_event(steps.encoded)[..., -1])
        filled, occupancy = state.filled, []
        occupied = filled.sum(1)
        for start, slot in zip(steps.episode_starts, decisions.slot, strict=True):
            filled, occupied = filled.masked_fill_(start.unsqueeze(1), False), occupied.masked_fill(start, 0)
            occupancy.append(occupied / self.slots)
            at = slot.clamp(min=0).unsqueeze(1)
            held = filled.gather(1, at).squeeze(1)
            occupied = occupied + (~held & (slot >= 0))
            filled = filled.scatter_(1, at, (held | (slot >= 0)).unsqueeze(1))
        trace = {
            "gate": gates,
            "write_rate": (decisions.slot >= 0).float(),
            "occupancy": torch.stack(occupancy),
            "null_read": null.mean(2),
        }
        written = EventLog(steps.events, plan.step.t(), recorded.event_hash)
        after = after_sequence(state, written, decisions.slot, steps.episode_starts)
        return MemoryOutput(read, after, decisions, None, trace)

    @torch.no_grad()
    def _decide_stepwise(self, steps: StepSequence, state: EpisodicState) -> SparseDecisions:
        """Search and choose slots at every step, one after the other."""
        cache, decisions = None, []
        for t in range(len(steps.hidden)):
            step = tree_map(lambda leaf, t=t: leaf[t : t + 1], steps)
            output = self(step, state, cache=cache)
            state, cache = output.state, output.cache
            decisions.append(output.decisions)
        made: SparseDecisions = concatenate(decisions)
        return made

    @torch.no_grad()
    def access(self, steps: StepSequence, state: EpisodicState, decisions: State | None = None) -> SlotAccess:
        made = cast(SparseDecisions, self(steps, state).decisions if decisions is None else decisions)
        state = started(state, steps.episode_starts[0])
        recorded = RecordedSteps(event_hash(steps.events, self.compared), steps.episode_starts, made)
        events, hashes = self.stored([state], recorded)
        number, others = distinct_events(events, hashes)
        own = torch.zeros_like(recorded.event_hash)
        replayed = ReplayedSteps(*steps, self.encode(others), own, [number])
        _, _, weights = self._read(replayed, self.plan([state], recorded, number))
        slots = made.found[0].long()
        read = weights.new_zeros(len(slots), self.attention.heads, self.slots)
        read.scatter_add_(2, slots.clamp(min=0), weights[0] * (slots >= 0))
        written = (made.slot[0].unsqueeze(1) == torch.arange(self.slots, device=slots.device)).float()
        gates = torch.sigmoid(self.attention.from_event(steps.encoded)[0, :, -1])
        return SlotAccess(read, written, 1 - written.unsqueeze(2), gates)

    @torch.no_grad()
    def _cache_of(self, state: EpisodicState) -> Any:
        return SparseCache.of(state, self.attention, self.encode, self.k, self.compared is None)

    def stored(self, states: Sequence[EpisodicState], recorded: RecordedSteps) -> tuple[State, Tensor]:
        found, own = self._found(recorded)
        carried = (found >= 0) & (own < 0)
        events, hashes, first = [], [], 0
        for state in states:
            rows = slice(first, first := first + len(state.step))
            places = state.as_of_now(state.newest.gather(1, (found * carried)[rows])).clamp(min=0)
            kept = carried[rows]
            events.append(blanked(events_at(state.log.events, places), kept))
            hashes.append(state.log.event_hash.gather(1, places) * kept)
        joined = concatenate(events)
        return joined, hash_of_all(joined, torch.cat(hashes), self.compared)

    def plan(self, states: Sequence[EpisodicState], recorded: RecordedSteps, stored: Tensor | None = None) -> Any:
        starts, made = recorded.episode_starts, cast(SparseDecisions, recorded.decisions)
        step = step_numbers(torch.cat([state.step for state in states]), starts)
        parts = (part.transpose(0, 1) for part in (step, made.found, made.age, made.duplicates))
        return FoundPlan(cast(Tensor, stored), self._found(recorded)[1], *parts)

    def recall(self, steps: ReplayedSteps, plan: State, decisions: State) -> Tensor:
        return self._read(steps, cast(FoundPlan, plan))[0]

    def _read(self, steps: ReplayedSteps, plan: FoundPlan) -> tuple[Tensor, Tensor, Tensor]:
        """Attend to what was found: reads [L, B, ...], weights of the null slot [L, B, R], of events [L, B, R, k]."""
        batch, length, *_ = plan.found.shape
        own = steps.event.t().gather(1, plan.own.clamp(min=0))
        event = torch.where(plan.own >= 0, own, *steps.stored).view(plan.found.shape)
        seen = torch.cat([steps.hidden, steps.encoded], dim=2).transpose(0, 1).flatten(0, 1)  # [B * L, ...]
        step = plan.step.flatten()
        found = (part.flatten(0, 1) for part in (event, plan.found >= 0, plan.age.long(), plan.duplicates))
        table = self.attention.from_event(steps.table)
        asked = queries(self.attention, seen, self.attention.embedded(step))
        outputs = read_found(self.attention, asked, step, table, Found(*found))
        read, null, weights = (part.unflatten(0, (batch, length)).transpose(0, 1) for part in outputs)
        return read, null, weights

    @staticmethod
    def _found(recorded: RecordedSteps) -> tuple[Tensor, Tensor]:
        """Return the slots that were found [P, U], and the steps of the chunk whose events they held, or NOTHING."""
        made = cast(SparseDecisions, recorded.decisions)
        time = torch.arange(len(made.age), device=made.age.device).view(-1, 1, 1, 1)
        own = torch.where((made.found >= 0) & (made.age <= time), time - made.age, NOTHING)
        found, own = (part.transpose(0, 1).flatten(1).long() for part in (made.found, own))
        return found, own
