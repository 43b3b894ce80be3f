"""What acting keeps up from step to step beside the state: encodings of the slots' events, and facts about them."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.episodic.attend.definition import Events, Learned
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.slot_facts import SlotFacts
from engram.memory.state import broadcast_like


class StepProducts(NamedTuple):
    """The weights of a step's two products: with hidden vector, encoded event and embedded step side by side."""

    query_weight: Tensor  # [H + D + E, R * W]
    query_bias: Tensor  # [R * W]
    event_weight: Tensor  # [D + E, S]
    event_bias: Tensor  # [S]
    learned: Learned

    @staticmethod
    def of(attention: EventAttention) -> StepProducts:
        """Gather them from the current weights; the query is that of the first hop."""
        query, event = cast(nn.Linear, attention.queries[0]), attention.from_event
        query_parts, event_parts = [query.weight], [event.weight]
        if attention.step_embedding is not None:
            query_parts.append(attention.query_of_step.weight)
            of_keys = attention.key_of_step.weight
            event_parts.append(nn.functional.pad(of_keys, (0, 0, 0, len(event.weight) - len(of_keys))))
        weights = (torch.cat(parts, dim=1).t().contiguous() for parts in (query_parts, event_parts))
        query_weight, event_weight = weights
        return StepProducts(query_weight, query.bias, event_weight, event.bias, attention.learned())


class SlotCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    projected: Tensor  # [B, N, S] keys of the slots' events, their steps included, values, and gates before the sigmoid
    facts: SlotFacts
    products: StepProducts
    entry: int  # of the log; no state refers to it or to those behind it

    @staticmethod
    def of(projected: Tensor, state: EpisodicState, attention: EventAttention) -> SlotCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`) from its slots' events.

        Args:
            projected: [B, U, S] fresh, of the events in the first slots; all others are empty.
            state: of N slots.
            attention: of the memory.
        """
        used, slots = projected.shape[1], state.newest.shape[1]
        projected = attention.with_step(projected, attention.embedded(state.birth[:, :used]))
        projected = nn.functional.pad(projected, (0, 0, 0, slots - used))
        log_gates = nn.functional.logsigmoid(projected[..., -1])
        facts = SlotFacts.of(log_gates, state.event_hash, state.birth, state.filled)
        return SlotCache(projected, facts, StepProducts.of(attention), slots)

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
