"""One step of acting with sparse reads: search, read what was found, let the step's event take a slot."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engram.memory.distinct import distinct
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.event_log import EpisodicState, appended, events_at
from engram.memory.episodic.sparse.cache import SparseCache
from engram.memory.episodic.sparse.decisions import Acted, SparseDecisions
from engram.memory.episodic.sparse.read import Found, queries, read_found
from engram.memory.event_hash import hash_of_all
from engram.memory.interface import Encode, StepSequence
from engram.memory.state import State, broadcast_like, tree_map


def act(
    attention: EventAttention,
    encode: Encode,
    steps: StepSequence,
    state: EpisodicState,
    hashes: Tensor,
    cache: SparseCache,
    k: int,
    compared: Sequence[bool] | None,
) -> Acted:
    """Search, read, decide and append.

    Args:
        attention: of the memory.
        encode: encodes events.
        steps: a single step, T = 1.
        state: before the step, after any reset; its log and its places are written to, in place.
        hashes: [1, B] int64, of its events.
        cache: before the step; written to, in place, but for the number of the entry.
        k: events that each head reads.
        compared: see `event_hash`.
    """
    step, hidden, encoded, heads = state.step, steps.hidden[0], steps.encoded[0], attention.heads
    now = attention.embedded(step)
    asked = queries(attention, torch.cat([hidden, encoded], dim=1), now)
    cache.update_bias(step, attention)
    of_heads = (asked / math.sqrt(attention.key_size)).unflatten(1, (heads, -1))
    known = cache.book.look_up(cache.keys.find(of_heads, cache.book.used(), k), step, state.newest)
    occupancy = cache.book.occupied.to(attention.null_key.dtype) / state.newest.shape[1]

    events = blanked(events_at(state.log.events, known.place.flatten(1)), known.alive.flatten(1))
    number, events = distinct_events(events, hash_of_all(events, known.event_hash.flatten(1), compared))
    found = Found(number.view(known.alive.shape), known.alive, known.age.long(), known.crowd)
    read, null, _ = read_found(attention, asked, step, attention.from_event(encode(events)), found)

    own = attention.with_step(attention.from_event(encoded), now)
    log_gate = nn.functional.logsigmoid(own[:, -1])
    keys = own[:, : heads * attention.key_size].unflatten(1, (heads, -1))
    slot = cache.put(keys, log_gate, hashes[0], step)
    after = appended(state, tree_map(lambda leaf: leaf[0], steps.events), hashes[0], slot, cache.entry, in_place=True)
    made = SparseDecisions(slot, known.found, known.age, known.crowd)
    traced = [part.to(occupancy.dtype) for part in (log_gate.exp(), slot >= 0, occupancy, null.mean(1))]
    decisions = tree_map(lambda leaf: leaf.unsqueeze(0), made)
    return Acted(read.unsqueeze(0), decisions, torch.stack(traced).unsqueeze(1), after)


def distinct_events(events: State, hashes: Tensor) -> tuple[Tensor, State]:
    """Return where each of some events [B, K, ...] is among the different ones, [B, K], and these [X, ...]."""
    first, number = distinct(hashes.flatten())
    return number.view(hashes.shape), tree_map(lambda leaf: leaf.flatten(0, 1).index_select(0, first), events)


def blanked(events: State, kept: Tensor) -> State:
    """Return events [B, K, ...] with zeros for those not kept [B, K]: even what has no weight must be finite."""
    return tree_map(lambda leaf: torch.where(broadcast_like(kept, leaf), leaf, torch.zeros_like(leaf)), events)
