"""What acting with a memory of many slots keeps up from step to step: the keys searched, and who takes which slot."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.distinct import distinct
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState, entries_of
from engram.memory.episodic.slots import NOT_WRITTEN, slots_in_use
from engram.memory.episodic.sparse.book import SlotBook, TorchBook, book_of
from engram.memory.episodic.sparse.native import NativeStep
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.interface import Encode
from engram.memory.state import State, tree_map

_PIECE = 4096
"""Events that are encoded at once: what they take stays in the processor's cache."""

_RECENT = 64
"""Newest steps whose events' biases are brought up to date at every step; those of older ones change slowly."""


class SparseCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    keys: SearchKeys
    book: SlotBook | TorchBook
    recent: Tensor  # [B, 64] int64, the slot that step t took, or NOT_WRITTEN, in column t modulo 64
    native: NativeStep | None  # None where the step is that of `definition`
    entry: int  # of the log; no state refers to it or to those behind it

    @staticmethod
    def of(
        state: EpisodicState, attention: EventAttention, encode: Encode, k: int, hash_is_whole: bool = True
    ) -> SparseCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`).

        Args:
            state: leaves [B, ...].
            attention: of the memory.
            encode: encodes events.
            k: events that each head reads.
            hash_is_whole: whether events of equal hashes are equal to the last bit.
        """
        (rows, slots), heads, size = state.newest.shape, attention.heads, attention.heads * attention.key_size
        keys = SearchKeys.empty(rows, heads, slots, attention.key_size, state.step.device)
        log_gates = attention.null_key.new_zeros(rows, slots)
        # Only keys and gates are searched.
        weight, bias = (torch.cat([part[:size], part[-1:]]) for part in attention.from_event.parameters())
        filled, births, hashes = state.filled, state.log.birth[:, :slots], state.log.event_hash[:, :slots]
        for row in range(rows):
            used = slots_in_use(filled[row : row + 1], 2)
            for piece in (slice(first, min(first + _PIECE, used)) for first in range(0, used, _PIECE)):
                some = torch.arange(piece.start, piece.stop, device=filled.device)
                events = entries_of(state.log.events, row, piece)
                projected = _projected(events, hashes[row, piece] if hash_is_whole else None, encode, weight, bias)
                of_events = projected[:, :-1] + keys_of_steps(attention, births[row, piece])
                keys.put(torch.full_like(some, row), some, of_events.unflatten(1, (heads, -1)))
                log_gates[row, piece] = nn.functional.logsigmoid(projected[:, -1])
        age = state.step.unsqueeze(1) - births
        new = (filled & (age > 0) & (age <= _RECENT)).nonzero(as_tuple=True)
        recent = births.new_full((rows, _RECENT), NOT_WRITTEN)
        recent[new[0], births[new] % _RECENT] = new[1]
        book = book_of(log_gates, hashes, births, filled)
        native = NativeStep.of(attention, keys, book, recent, state.log, k, hash_is_whole)
        cache = SparseCache(keys, book, recent, native, slots)
        cache.set_bias(torch.where(filled, torch.arange(slots, device=filled.device), -1), state.step, attention)
        return cache

    def start_episodes(self, starts: Tensor) -> None:
        """Forget rows [B] in which an episode starts."""
        self.book.start_episodes(starts)
        self.keys.start_episodes(starts)
        self.recent[starts] = NOT_WRITTEN

    def update_bias(self, step: Tensor, attention: EventAttention) -> None:
        """Bring the biases of recent events up to date, at steps of some numbers [B]."""
        self.set_bias(self.recent, step, attention)

    def set_bias(self, slots: Tensor, step: Tensor, attention: EventAttention) -> None:
        """Set the biases of the events in slots [B, K], where these are not negative, at steps of some numbers [B]."""
        book = self.book
        if isinstance(book, SlotBook):
            book.renew(slots, step, attention.learned(), attention.age_bias.starts, self.keys)
            return
        rows, number = (slots >= 0).nonzero(as_tuple=True)
        slots = slots[rows, number]
        bias = bias_of(
            attention, book.log_gates[rows, slots], step[rows] - book.birth[rows, slots], book.crowds(rows, slots)
        )
        self.keys.set_bias(rows, slots, bias)

    def put(self, keys: Tensor, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Let each row's new event take a slot.

        Args:
            keys: [B, R, W].
            log_gate, event_hash, birth: [B].

        Returns:
            the slots [B], NOT_WRITTEN where none is taken.
        """
        slot = self.book.take(log_gate.to(self.book.log_gates.dtype), event_hash, birth)
        self.keys.put(torch.arange(len(slot), device=slot.device), slot, keys)
        self.recent.scatter_(1, (birth % _RECENT).unsqueeze(1), slot.unsqueeze(1))
        return slot


def _projected(events: State, event_hash: Tensor | None, encode: Encode, weight: Tensor, bias: Tensor) -> Tensor:
    """Encode events [K, ...] and project them; those of equal hashes [K], if these are given, once."""
    if event_hash is not None:
        first, number = distinct(event_hash)
        if len(first) < len(number):
            events = tree_map(lambda leaf: leaf.index_select(0, first), events)
            return nn.functional.linear(encode(events), weight, bias).index_select(0, number)
    return nn.functional.linear(encode(events), weight, bias)


def keys_of_steps(attention: EventAttention, steps: Tensor) -> Tensor | float:
    """Return what the steps at which events happened [K] add to their keys, [K, R * W]; zero without order."""
    added = attention.of_step(attention.embedded(steps))
    return 0.0 if added is None else added


def bias_of(attention: EventAttention, log_gates: Tensor, age: Tensor, counts: Tensor) -> Tensor:
    """Return what K events' logits have beside the product of query and key, [K, R]."""
    ages = attention.age_bias(attention.age_bias.bucket(age)).t()
    bias: Tensor = ages + log_gates.unsqueeze(1) - attention.duplicate_penalty * counts.log().unsqueeze(1)
    return bias
