"""What acting keeps up from step to step beside the state: encodings of the slots' events, and facts about them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.episodic.attention import Encodings
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.state import broadcast_like


class SlotCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    keys: Tensor  # [B, R, N, W]
    values: Tensor  # [B, R, N, V]
    facts: SlotFacts
    entry: int  # of the log; no state refers to it or to those behind it

    @staticmethod
    def of(encodings: Encodings, state: EpisodicState) -> SlotCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`) from fresh encodings of its slots."""
        facts = SlotFacts.of(encodings.log_gates, state.event_hash, state.birth, state.filled)
        return SlotCache(encodings.keys.contiguous(), encodings.values.contiguous(), facts, state.place.shape[1])

    def encodings(self) -> Encodings:
        """Return the encodings of the slots."""
        return Encodings(self.keys, self.values, self.facts.log_gates)

    def start_episodes(self, starts: Tensor) -> None:
        """Forget rows [B] in which an episode starts; a weight of zero times NaN is NaN, so values become zero."""
        self.facts.start_episodes(starts)
        if starts.is_cpu:
            self.values[starts] = 0.0
        else:
            self.values.masked_fill_(broadcast_like(starts, self.values), 0.0)

    def put(self, slot: Tensor, new: Encodings) -> None:
        """Put the encodings of one event of each row (M = 1) into slots [B]; nowhere where that is negative."""
        at = slot.clamp(min=0).view(-1, 1, 1, 1)
        everywhere = slot.is_cpu and bool((slot >= 0).all())
        for cached, given in ((self.keys, new.keys), (self.values, new.values)):
            index, vectors = at.expand(given.shape), given.detach()
            if not everywhere:
                vectors = torch.where((slot >= 0).view(-1, 1, 1, 1), vectors, cached.gather(2, index))
            cached.scatter_(2, index, vectors)
