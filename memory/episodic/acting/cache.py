"""What acting keeps up from step to step beside the state: encodings of the slots' events, and facts about them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from engram.memory.episodic.acting import definition
from engram.memory.episodic.acting.definition import Acted
from engram.memory.episodic.acting.native import NativeStep
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.keeping import importance
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.exporting import at_hand
from engram.memory.interface import StepSequence
from engram.memory.state import broadcast_like


class SlotCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    projected: Tensor  # [B, N, S] keys of the slots' events, their steps included, values, and gates before the sigmoid
    facts: SlotFacts
    native: NativeStep | None  # None where the step is that of `definition`
    entry: int  # of the log; no state refers to it or to those behind it
    keep: str = "gate"  # see `importance`

    @staticmethod
    def of(projected: Tensor, state: EpisodicState, attention: EventAttention, keep: str = "gate") -> SlotCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`) from its slots' events.

        Args:
            projected: [B, U, S] fresh, of the events in the first slots; all others are empty.
            state: of N slots.
            attention, keep: of the memory.
        """
        used, slots = projected.shape[1], state.newest.shape[1]
        projected = attention.with_step(projected, attention.embedded(state.birth[:, :used]))
        projected = nn.functional.pad(projected, (0, 0, 0, slots - used))
        log_gates = nn.functional.logsigmoid(projected[..., -1])
        hashes, births = state.event_hash, state.birth
        facts = SlotFacts.of(importance(keep, log_gates, hashes, births), hashes, births, state.filled)
        native = NativeStep.of(attention, projected, facts, state.log) if keep == "gate" else None
        return SlotCache(projected, facts, native, slots, keep)

    def act(self, attention: EventAttention, steps: StepSequence, state: EpisodicState, hashes: Tensor) -> Acted:
        """See `definition.act`; in C where that can do it."""
        acted = None if self.native is None else self.native(steps, state, hashes, self.entry)
        if acted is not None:
            return acted
        return definition.act(attention, steps, state, hashes, self.projected, self.facts, self.entry, self.keep)

    def start_episodes(self, starts: Tensor) -> None:
        """Forget rows [B] in which an episode starts; a weight of zero times NaN is NaN, so they become zero."""
        self.facts.start_episodes(starts)
        if at_hand(starts):
            self.projected.index_fill_(0, starts.nonzero().squeeze(1), 0.0)
        else:
            self.projected.masked_fill_(broadcast_like(starts, self.projected), 0.0)
