"""What acting with a memory of many slots keeps up from step to step: the keys searched, and who takes which slot."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.distinct import distinct
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.slots import NOT_WRITTEN
from engram.memory.episodic.sparse.book import SlotBook
from engram.memory.episodic.sparse.read import keys_of_steps
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.interface import Encode
from engram.memory.state import tree_map

_PIECE = 4096
"""Events that are encoded at once: what they take stays in the processor's cache."""

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
    def of(state: EpisodicState, attention: EventAttention, encode: Encode, hash_is_whole: bool = True) -> SparseCache:
        """Make the cache of a state whose log is its own (see `event_log.copied`).

        Args:
            state: leaves [B, ...].
            attention: of the memory.
            encode: encodes events.
            hash_is_whole: whether events of equal hashes are equal to the last bit.
        """
        slots, heads, size = state.place.shape[1], attention.heads, attention.heads * attention.key_size
        keys = SearchKeys.empty(len(state.step), heads, slots, attention.key_size, state.step.device)
        log_gates = attention.null_key.new_zeros(state.place.shape)
        # Only keys and gates are searched.
        weight, bias = (torch.cat([part[:size], part[-1:]]) for part in attention.from_event.parameters())
        books, recent, births, hashes = [], [], state.birth, state.event_hash
        for row in range(len(state.step)):
            held = state.filled[row].nonzero().squeeze(1)
            birth, event_hash = births[row, held], hashes[row, held]
            places = state.place[row, held].long()
            for piece in range(0, len(held), _PIECE):
                some = slice(piece, piece + _PIECE)
                number = first = torch.arange(len(birth[some]), device=birth.device)
                if hash_is_whole:
                    first, number = distinct(event_hash[some])
                at = places[some][first]
                events = tree_map(lambda leaf, row=row, at=at: leaf[row].index_select(0, at), state.log.events)
                projected = nn.functional.linear(encode(events), weight, bias).index_select(0, number)
                of_events = projected[:, :-1] + keys_of_steps(attention, birth[some])
                keys.put(torch.full_like(number, row), held[some], of_events.unflatten(1, (heads, -1)))
                log_gates[row, held[some]] = nn.functional.logsigmoid(projected[:, -1]).to(log_gates.dtype)
            gates = log_gates[row, held]
            book = SlotBook(slots, held.cpu(), gates.cpu(), birth.cpu(), event_hash.cpu())
            _, kind, counts = event_hash.unique(return_inverse=True, return_counts=True)
            keys.set_bias(
                torch.full_like(held, row), held, bias_of(attention, gates, state.step[row] - birth, counts[kind])
            )
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

    def take(self, log_gate: Tensor, event_hash: Tensor, birth: Tensor) -> tuple[Tensor, bool]:
        """Let each row's new event [B] take a slot.

        Returns:
            the slots [B], NOT_WRITTEN where none is taken, and whether all of them were empty.
        """
        taken, all_free = [], all(book.filled < book.slots for book in self.books)
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
        return torch.tensor(taken, device=birth.device), all_free

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
