"""What acting with a memory of many slots keeps up from step to step: the keys searched, and who takes which slot."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.distinct import distinct
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.episodic.sparse.book import SlotBook, TorchBook, book_of
from engram.memory.episodic.sparse.read import keys_of_steps
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.interface import Encode
from engram.memory.state import tree_map

_PIECE = 4096
"""Events that are encoded at once: what they take stays in the processor's cache."""

_RECENT = 64
"""Newest steps whose events' biases are brought up to date at every step; those of older ones change slowly."""


class SparseCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    keys: SearchKeys
    book: SlotBook | TorchBook
    recent: Tensor  # [B, 64] int64, the slots that the newest steps took, or NOT_WRITTEN
    entry: int  # of the log; no state refers to it or to those behind it

    @staticmethod
    def of(state: EpisodicState, attention: EventAttention, encode: Encode, hash_is_whole: bool = True) -> SparseCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`).

        Args:
            state: leaves [B, ...].
            attention: of the memory.
            encode: encodes events.
            hash_is_whole: whether events of equal hashes are equal to the last bit.
        """
        (rows, slots), heads, size = state.newest.shape, attention.heads, attention.heads * attention.key_size
        keys = SearchKeys.empty(rows, heads, slots, attention.key_size, state.step.device)
        log_gates = attention.null_key.new_zeros(rows, slots)
        # Only keys and gates are searched.
        weight, bias = (torch.cat([part[:size], part[-1:]]) for part in attention.from_event.parameters())
        place, births, hashes = state.place, state.birth, state.event_hash
        filled = place >= 0
        held = [row.nonzero().squeeze(1) for row in filled]
        for row, number in enumerate(held):
            for some in number.split(_PIECE):
                birth, event_hash = births[row, some], hashes[row, some]
                first = which = torch.arange(len(some), device=some.device)
                if hash_is_whole:
                    first, which = distinct(event_hash)
                at = place[row, some[first]]
                events = tree_map(lambda leaf, row=row, at=at: leaf[row].index_select(0, at), state.log.events)
                projected = nn.functional.linear(encode(events), weight, bias).index_select(0, which)
                of_events = projected[:, :-1] + keys_of_steps(attention, birth)
                keys.put(torch.full_like(some, row), some, of_events.unflatten(1, (heads, -1)))
                log_gates[row, some] = nn.functional.logsigmoid(projected[:, -1]).to(log_gates.dtype)
        newest = torch.where(filled, births, -1).topk(min(_RECENT, slots), dim=1)
        recent = torch.where(newest.values >= 0, newest.indices, NOT_WRITTEN).flip(1)
        recent = nn.functional.pad(recent, (_RECENT - recent.shape[1], 0), value=NOT_WRITTEN)
        cache = SparseCache(keys, book_of(log_gates, hashes, births, filled), recent, slots)
        for row, number in enumerate(held):
            for some in number.split(_PIECE):
                cache.set_bias(torch.full_like(some, row), some, state.step, attention)
        return cache

    def start_episodes(self, starts: Tensor) -> None:
        """Forget rows [B] in which an episode starts."""
        self.book.start_episodes(starts)
        for row in starts.nonzero().squeeze(1).tolist():
            self.keys.bias[row] = -torch.inf
            self.keys.scales[row] = 0.0  # it may be NaN
            self.recent[row] = NOT_WRITTEN

    def update_bias(self, step: Tensor, attention: EventAttention) -> None:
        """Bring the biases of recent events up to date, at steps of some numbers [B]."""
        rows, number = (self.recent >= 0).nonzero(as_tuple=True)
        self.set_bias(rows, self.recent[rows, number], step, attention)

    def set_bias(self, rows: Tensor, slots: Tensor, step: Tensor, attention: EventAttention) -> None:
        """Set the biases of the events in slots [K] of rows [K], at steps of some numbers [B]."""
        book = self.book
        bias = bias_of(
            attention, book.log_gates[rows, slots], step[rows] - book.birth[rows, slots], book.crowds(rows, slots)
        )
        self.keys.set_bias(rows, slots, bias)

    def put(self, keys: Tensor, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> tuple[Tensor, SparseCache]:
        """Let each row's new event take a slot.

        Args:
            keys: [B, R, W].
            log_gate, event_hash, birth: [B].

        Returns:
            the slots [B], NOT_WRITTEN where none is taken, and the cache after the step.
        """
        slot = self.book.take(log_gate.to(self.book.log_gates.dtype), event_hash, birth)
        rows = (slot >= 0).nonzero().squeeze(1)
        self.keys.put(rows, slot[rows], keys[rows])
        recent = torch.cat([self.recent[:, 1:], slot.unsqueeze(1)], dim=1)
        return slot, self._replace(recent=recent, entry=self.entry + 1)


def bias_of(attention: EventAttention, log_gates: Tensor, age: Tensor, counts: Tensor) -> Tensor:
    """Return what K events' logits have beside the product of query and key, [K, R]."""
    ages = attention.age_bias(attention.age_bias.bucket(age)).t()
    bias: Tensor = ages + log_gates.unsqueeze(1) - attention.duplicate_penalty * counts.log().unsqueeze(1)
    return bias
