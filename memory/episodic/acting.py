"""What acting keeps up from step to step beside the state: encodings of the slots' events, and facts about them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from engram.memory.episodic.attend.definition import Events
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.state import broadcast_like


class SlotCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    projected: Tensor  # [B, N, S] keys of the slots' events, their steps included, values, and gates before the sigmoid
    facts: SlotFacts
    entry: int  # of the log; no state refers to it or to those behind it

    @staticmethod
    def of(projected: Tensor, state: EpisodicState) -> SlotCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`) from its slots' fresh [B, N, S]."""
        log_gates = nn.functional.logsigmoid(projected[..., -1])
        facts = SlotFacts.of(log_gates, state.event_hash, state.birth, state.filled)
        return SlotCache(projected, facts, state.newest.shape[1])

    def events(self) -> Events:
        """Return the slots' events for reading."""
        return Events(self.projected.flatten(0, 1), None, None)

    def start_episodes(self, starts: Tensor) -> None:
        """Forget rows [B] in which an episode starts; a weight of zero times NaN is NaN, so they become zero."""
        self.facts.start_episodes(starts)
        if starts.is_cpu:
            self.projected[starts] = 0.0
        else:
            self.projected.masked_fill_(broadcast_like(starts, self.projected), 0.0)
