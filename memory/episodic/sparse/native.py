"""One step of acting with sparse reads in C: two calls around the encoder; `definition` is what it is held to."""

from __future__ import annotations

import struct
from ctypes import c_int64
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.memory.episodic.acting.definition import TRACED
from engram.memory.episodic.acting.pieces import PIECE, LogPieces, pieces_of, size_of
from engram.memory.episodic.acting.products import StepProducts, of_events, seen_shapes
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState, EventLog, with_constants
from engram.memory.episodic.sparse.book import SlotBook, TorchBook
from engram.memory.episodic.sparse.decisions import Acted, SparseDecisions
from engram.memory.episodic.sparse.search import SearchKeys
from engram.memory.event_hash import WORD, of_positions
from engram.memory.interface import Encode, StepSequence
from engram.memory.native.build import addresses, library, lie_on_cpu
from engram.memory.native.product import pack
from engram.memory.state import leaves, tree_map

_SOURCE = Path(__file__).with_suffix(".c")


class NativeStep:
    """Acts in C, as long as the weights stay: what lies where it is from step to step is told once.

    Args:
        compiled: the library.
        attention: of the memory.
        keys, book, recent: as in `SparseCache`; they are written to, in place.
        log: of the state, for its shape.
        k: events that each head reads.
        hash_is_whole: whether events of equal hashes are equal to the last bit.
    """

    def __init__(
        self,
        compiled: Any,
        attention: EventAttention,
        keys: SearchKeys,
        book: SlotBook,
        recent: Tensor,
        log: EventLog,
        k: int,
        hash_is_whole: bool,
    ) -> None:
        rows, shape = len(recent), (len(recent), attention.heads, k)
        self._compiled, self._dtype, self._read_size = compiled, attention.null_key.dtype, attention.read_size
        self._found, self._pieces = shape, LogPieces(log)
        self._shapes, number = seen_shapes(attention, rows), rows * attention.heads * k
        self._events = tree_map(lambda leaf: leaf.new_empty(number, *leaf.shape[2:]), log.events)
        products = StepProducts.of(attention, compiled, [*range(attention.null_key.numel()), -1])
        words = 0 if hash_is_whole else -(-sum(map(size_of, leaves(log.events))) // WORD)
        learned, table = attention.learned(), torch.empty(2 << number.bit_length(), dtype=torch.int32)
        self._kept = (  # as in C
            *products,
            *_of_heads(attention, compiled),
            learned.age_bias.t().contiguous(),
            learned.duplicate_penalty,
            attention.age_bias.starts,
            learned.null_key,
            learned.null_value,
            attention.normalize.weight,
            attention.normalize.bias,
            recent,
            *book,
            *keys,
            *_room(products, attention, rows, k),
            table,
            torch.empty(2 * k, dtype=torch.int64),
            torch.zeros(words, dtype=torch.int32),
            *of_positions(words, recent.device),
        )
        counts = (k, len(attention.age_bias.starts), recent.shape[1], words, len(table), self._pieces.count)
        sizes = products.sizes(attention, rows) + struct.pack("6q", *counts)
        self._counts, self._at = sizes + book.sizes() + keys.sizes(), addresses(*self._kept)

    @staticmethod
    def of(
        attention: EventAttention,
        keys: SearchKeys,
        book: SlotBook | TorchBook,
        recent: Tensor,
        log: EventLog,
        k: int,
        hash_is_whole: bool,
    ) -> NativeStep | None:
        """Return the step in C where there can be one: on a CPU with a compiler."""
        dtype, size = attention.null_key.dtype, attention.key_size
        if not (isinstance(book, SlotBook) and keys.packed and lie_on_cpu(dtype, (book.log_gates, book.rank.shape))):
            return None
        compiled = library(_SOURCE, dtype, R=1, W=size, V=attention.value_size)
        if compiled is None:
            return None
        return NativeStep(compiled, attention, keys, book, recent, log, k, hash_is_whole)

    def __call__(
        self, encode: Encode, steps: StepSequence, state: EpisodicState, hashes: Tensor, entry: int
    ) -> Acted | None:
        """Do what `definition.act` does; return None, and write nothing, under autocast or for other types."""
        hidden, encoded = steps.hidden.contiguous(), steps.encoded.contiguous()
        given = zip((hidden, encoded), self._shapes, strict=True)
        if torch.is_autocast_enabled("cpu") or not lie_on_cpu(self._dtype, *given):
            return None
        step, entries, log = state.step.contiguous(), state.newest, state.log
        decided = torch.empty(3, 1, *self._found, dtype=torch.int32)
        places = pieces_of(leaves(log.events), leaves(self._events))
        at = addresses(hidden, encoded, step, entries, decided)
        number = c_int64(len(places) // PIECE)
        different = self._compiled.find_events(self._counts, self._at, at, places, number)

        table = encode(tree_map(lambda leaf: leaf[:different], self._events)).contiguous()
        log = with_constants(log, tree_map(lambda leaf: leaf[0], steps.events)) if self._pieces.has_constants else log
        pieces = self._pieces.of(log, EventLog(steps.events, step.unsqueeze(0), hashes))
        if pieces is None:
            return None
        read, trace = table.new_empty(1, len(step), self._read_size), table.new_empty(len(TRACED), 1, len(step))
        slot, following, end = (torch.empty_like(step) for _ in range(3))
        at = addresses(table, hashes, step, entries, state.replaced, decided, read, slot, following, end, trace)
        room = c_int64(state.replaced.shape[1])
        self._compiled.read_and_write(self._counts, self._at, at, pieces[0], room, c_int64(entry))
        after = EpisodicState(log, entries, following, end, state.replaced)
        return Acted(read, SparseDecisions(slot.unsqueeze(0), *decided.unbind(0)), trace, after)


def _of_heads(attention: EventAttention, compiled: Any) -> tuple[Tensor, Tensor]:
    """Return the packed weights and the biases of what is read of an event, of one head after another."""
    (heads, size), value = attention.null_key.shape, attention.value_size
    weights, biases = [], []
    for head in range(heads):
        keys = range(head * size, (head + 1) * size)
        values = range(heads * size + head * value, heads * size + (head + 1) * value)
        weight, bias = (part[[*keys, *values, -1]] for part in of_events(attention))
        weights.append(pack(compiled, weight.t()))
        biases.append(bias)
    return torch.cat(weights), torch.cat(biases)


def _room(products: StepProducts, attention: EventAttention, rows: int, k: int) -> tuple[Tensor, ...]:
    """Return what the two calls compute in."""
    wide = attention.from_event.in_features + products.embeddings.shape[1]
    asked, queries = len(products.constant), attention.null_key.numel()
    of_head, number = attention.key_size + attention.value_size + 1, rows * attention.heads * k
    floats = (rows * wide, rows * asked, rows * queries, k * wide, k * of_head, k, k, k, k)
    sizes = {attention.null_key.dtype: floats, torch.uint8: (number, k, k), torch.int64: (number,) * 4}
    return tuple(torch.empty(size, dtype=dtype) for dtype, of_type in sizes.items() for size in of_type)
