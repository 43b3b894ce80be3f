"""What acting with a memory of many slots keeps up from step to step: the keys searched, and who takes which slot."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.episodic.sparse.book import SlotBook
from engram.memory.episodic.sparse.read import keys_of_steps
from engram.memory.episodic.sparse.search import SearchKeys

_RECENT = 64
"""Newest events of each row whose biases are brought up to date at every step; those of older ones change slowly."""


class SparseCache(NamedTuple):
    """It follows from the state and the weights, and is changed in place: who has it may append to the state's log."""

    keys: SearchKeys
    log_gates: Tensor  # [B, N]
    books: list[SlotBook]  # of each row
    recent: list[list[int]]  # slots of the newest events of each row
    entry: int  # of the log; no state refers to it or to those behind it

    @staticmethod
    def of(state: EpisodicState, projected: list[Tensor], attention: EventAttention) -> SparseCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`).

        Args:
            state: leaves [B, ...].
            projected: for each row the encoded events of its filled slots behind `attention.from_event`, [K, ...].
            attention: of the memory.
        """
        slots, heads = state.place.shape[1], attention.heads
        keys = SearchKeys.empty(len(state.step), heads, slots, attention.key_size, state.step.device)
        log_gates = attention.null_key.new_zeros(state.place.shape)
        books, recent, births, hashes = [], [], state.birth, state.event_hash
        for row, of_row in enumerate(projected):
            held = state.filled[row].nonzero().squeeze(1)
            birth, event_hash = births[row, held], hashes[row, held]
            log_gates[row, held] = nn.functional.logsigmoid(of_row[:, -1]).to(log_gates.dtype)
            book = SlotBook(slots, *(part.tolist() for part in (held, log_gates[row, held], birth, event_hash)))
            counts = torch.tensor([book.counts[number] for number in event_hash.tolist()], dtype=log_gates.dtype)
            bias = bias_of(attention, log_gates[row, held], state.step[row] - birth, counts.to(held.device))
            of_events = of_row[:, : heads * attention.key_size] + keys_of_steps(attention, birth)
            keys.fill(row, held, of_events.unflatten(1, (heads, -1)), bias)
            books.append(book)
            recent.append(held[birth.argsort()[-_RECENT:]].tolist())
        return SparseCache(keys, log_gates, books, recent, slots)

    def start_episodes(self, starts: Tensor) -> None:
        """Forget rows [B] in which an episode starts."""
        for row in starts.nonzero().squeeze(1).tolist():
            self.keys.bias[row] = -torch.inf
            self.keys.scales[row] = 0.0  # it may be NaN
            self.books[row], self.recent[row] = SlotBook(self.books[row].slots), []

    def update_bias(self, state: EpisodicState, attention: EventAttention) -> None:
        """Bring the biases of recent events up to date."""
        rows = torch.tensor([row for row, slots in enumerate(self.recent) for _ in slots], dtype=torch.int64)
        slots = torch.tensor([slot for slots in self.recent for slot in slots], dtype=torch.int64)
        rows, slots = rows.to(state.step.device), slots.to(state.step.device)
        places = state.place[rows, slots].long()
        counts = self.counts(rows, state.log.event_hash[rows, places])
        age = state.step[rows] - state.log.birth[rows, places]
        self.keys.set_bias(rows, slots, bias_of(attention, self.log_gates[rows, slots], age, counts))

    def counts(self, rows: Tensor, event_hashes: Tensor) -> Tensor:
        """Return how many slots of rows [K] hold events of some hashes [K]; 1 where there are none."""
        books, pairs = self.books, zip(rows.tolist(), event_hashes.tolist(), strict=True)
        counted = [books[row].counts.get(number, 1) for row, number in pairs]
        return torch.tensor(counted, dtype=self.log_gates.dtype, device=self.log_gates.device)

    def take(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> Tensor:
        """Let each row's new event [B] take a slot; return these [B], NOT_WRITTEN where none is taken."""
        taken = []
        for book, recent, *event in zip(
            self.books, self.recent, log_gate.tolist(), event_hash.tolist(), birth.tolist(), strict=True
        ):
            slot = book.take(*event)
            taken.append(slot)
            if slot in recent:
                recent.remove(slot)
            if slot != NOT_WRITTEN:
                recent.append(slot)
                del recent[:-_RECENT]
        return torch.tensor(taken, device=birth.device)

    def put(self, slot: Tensor, keys: Tensor, log_gate: Tensor) -> None:
        """Put keys [B, R, W] and gates [B] into the slots [B] that were taken."""
        rows = (slot >= 0).nonzero().squeeze(1)
        self.log_gates[rows, slot[rows]] = log_gate[rows].to(self.log_gates.dtype)
        self.keys.put(rows, slot[rows], keys[rows])

    def used(self) -> int:
        """Return the number of slots in use, in the row that uses most."""
        return max(book.used for book in self.books)


def bias_of(attention: EventAttention, log_gates: Tensor, age: Tensor, counts: Tensor) -> Tensor:
    """Return what K events' logits have beside the product of query and key, [K, R]."""
    ages = attention.age_bias(attention.age_bias.bucket(age)).t()
    bias: Tensor = ages + log_gates.unsqueeze(1) - attention.duplicate_penalty * counts.log().unsqueeze(1)
    return bias
