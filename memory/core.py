"""The recurrent core: encoder, controller and memory as one function over sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.controllers.interface import Controller
from engram.memory.distinct import distinct, only_used
from engram.memory.event_hash import event_hash
from engram.memory.features import NativeFeatures, features_of
from engram.memory.feedback.loop import EncodedSteps, FeedbackLoop
from engram.memory.interface import Memory, RecordedSteps, ReplayedSteps, SlotAccess, StepSequence
from engram.memory.registry import build_controller, build_memory
from engram.memory.state import State, concatenate, reset, tree_map


class CoreState(NamedTuple):
    """The states of both parts, leaves [B, ...]."""

    controller: State
    memory: State


class Cache(NamedTuple):
    """What can be recomputed from a state and the weights, and holds until these change."""

    tables: object  # of the encoder
    features: NativeFeatures | None  # None where they are those of the definition
    memory: object  # see `memory.interface.MemoryOutput`


class Unrolled(NamedTuple):
    """What the core returns for a sequence of steps."""

    features: Tensor  # [T, B, F] what the heads see
    state: CoreState  # after the last step
    decisions: State  # [T, B, ...] recorded decisions of the memory
    cache: Cache
    trace: dict[str, Tensor]  # name -> [T, B]


class Replay(NamedTuple):
    """Chunks of recorded steps, as far as they do not depend on the weights; P of them, of L steps each."""

    event: Tensor  # [P, L] int64, the steps' events among the distinct ones
    episode_starts: Tensor  # [P, L] bool
    decisions: State  # [P, L, ...]
    controller: State  # [P, ...] before the first step and its reset
    memory: State  # [P, ...] see `memory.interface.Memory.plan`


class Replayed(NamedTuple):
    """What came of recorded chunks with the weights of now."""

    features: Tensor  # [L, B, F] what the heads would have seen
    events: State  # [X, ...] the different ones that were encoded
    steps: ReplayedSteps | None  # as the memory saw them; None where time is a loop


class Asked(NamedTuple):
    """What a memory returned for questions that no step asked; X of them."""

    read: Tensor  # [X, read_size]
    table: Tensor  # [E, D] encodings of events
    event: Tensor  # [X] int64, which of them was asked for; -1 where nothing was


class Core(nn.Module):
    """An encoder, a controller and a memory; acting is `unroll` with T = 1, learning is `unroll` with T = L.

    The heads see `[h, r, P₁[h, x] ⊙ P₂r]` with hidden vector h, encoded event x and read r: to compare what is seen
    with what is recalled is an XOR, which the products make linear. Without a memory they see `h`.

    Args:
        encoder: module from events (leaves [X, ...]) to [X, encoded_size].
        event: one event (leaves [1, ...]), with its shapes and dtypes.
        encoded_size: D.
        controller, memory: names in CONTROLLERS and MEMORIES, or classes.
        controller_kwargs, memory_kwargs: their own sizes.
        compared: which leaves of an event count when a memory compares two, from left to right; None for all.
        constant: which leaves of an event are constant over an episode; None for none.

    Raises:
        ValueError: if a name or an argument is unknown or a size does not fit.
    """

    def __init__(
        self,
        encoder: nn.Module,
        event: State,
        encoded_size: int,
        controller: str | type[Controller[Any]] = "lstm",
        memory: str | type[Memory[Any]] = "episodic",
        controller_kwargs: dict[str, Any] | None = None,
        memory_kwargs: dict[str, Any] | None = None,
        compared: tuple[bool, ...] | None = None,
        constant: tuple[bool, ...] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.controller: Controller[Any] = build_controller(controller, encoded_size, controller_kwargs)
        hidden_size = self.controller.hidden_size
        self.memory: Memory[Any] = build_memory(
            memory, encoder.forward, event, encoded_size, hidden_size, memory_kwargs
        )
        self.memory.compared, self.memory.constant = compared, constant
        if self.memory.feedback_size:
            self.from_feedback = nn.Linear(self.memory.feedback_size, self.controller.projected_size, bias=False)
        self.feature_size = hidden_size
        if self.memory.read_size:
            self.seen_factor = nn.Linear(hidden_size + encoded_size, hidden_size)
            self.read_factor = nn.Linear(self.memory.read_size, hidden_size)
            self.feature_size = 2 * hidden_size + self.memory.read_size

    def initial_state(self, batch_size: int) -> CoreState:
        """Return the state before the first step of `batch_size` episodes."""
        return CoreState(self.controller.initial_state(batch_size), self.memory.initial_state(batch_size))

    def unroll(
        self,
        events: State,
        state: CoreState,
        episode_starts: Tensor,
        decisions: State | None = None,
        cache: Cache | None = None,
    ) -> Unrolled:
        """Run along a sequence of events in which episodes may start at any step of any row.

        Args:
            events: tree with leaves [T, B, ...].
            state: state before the first step and before its reset.
            episode_starts: [T, B] bool.
            decisions: the memory's decisions recorded while acting; None to decide now.
            cache: the cache returned with `state`, if the weights have not changed since.
        """
        shape = episode_starts.shape
        acting = len(episode_starts) == 1 and not torch.is_grad_enabled()
        kept = self._blank_cache(acting) if cache is None else cache
        flat = tree_map(lambda leaf: leaf.flatten(0, 1), events)
        encoded = (self.encoder(flat) if kept.tables is None else self.encoder(flat, kept.tables)).unflatten(0, shape)
        if self.memory.feedback_size:
            steps = EncodedSteps(encoded, events, episode_starts)
            hidden, controller_state, output = self._loop().unroll(steps, state, decisions, kept.memory)
        else:
            hidden, controller_state = self.controller(encoded, state.controller, episode_starts)
            output = self.memory(
                StepSequence(hidden, encoded, events, episode_starts), state.memory, decisions, kept.memory
            )
        featured = kept.features if acting and kept.features is not None else self._features
        after = CoreState(controller_state, output.state)
        features = featured(hidden, encoded, output.read)
        return Unrolled(features, after, output.decisions, kept._replace(memory=output.cache), output.trace)

    @torch.no_grad()
    def plan(
        self, events: State, states: Sequence[CoreState], episode_starts: Tensor, decisions: State
    ) -> tuple[State, Replay]:
        """Prepare recorded chunks for any number of passes over them.

        Args:
            events: leaves [L, P, ...].
            states: before the chunks' first steps and their resets, leaves [B, ...] each, together P rows.
            episode_starts: [L, P] bool.
            decisions: recorded decisions [L, P, ...].

        Returns:
            the different ones among all events, leaves [E, ...], and what `replay` takes.
        """
        hashes, memories, compared = event_hash(events), [state.memory for state in states], self.memory.compared
        all_events, all_hashes = tree_map(lambda leaf: leaf.flatten(0, 1), events), hashes.flatten()
        as_compared = hashes if compared is None else event_hash(events, compared)
        recorded = RecordedSteps(as_compared, episode_starts, decisions)
        stored = self.memory.stored(memories, recorded)
        if stored is not None:
            flat = tree_map(lambda leaf: leaf.flatten(0, 1), stored[0])
            all_events, all_hashes = concatenate([all_events, flat]), torch.cat([all_hashes, stored[1].flatten()])
        first, number = distinct(all_hashes)
        own, others = number.split([hashes.numel(), len(number) - hashes.numel()])
        plan = self.memory.plan(memories, recorded, None if stored is None else others.view(stored[1].shape))
        replay = Replay(
            own.view(hashes.shape).t(),
            episode_starts.t(),
            tree_map(lambda leaf: leaf.transpose(0, 1), decisions),
            concatenate([state.controller for state in states]),
            plan,
        )
        return tree_map(lambda leaf: leaf.index_select(0, first), all_events), replay

    def replay(self, events: State, chunks: Replay) -> Replayed:
        """Return what the heads would have seen along recorded chunks, with the weights of now.

        It is what `unroll` gives from the same states with the recorded decisions, but equal events are encoded once.

        Args:
            events: the distinct ones, leaves [E, ...].
            chunks: any rows of what `plan` returned, leaves [B, ...].
        """
        starts = chunks.episode_starts.t().contiguous()
        decisions = tree_map(lambda leaf: leaf.transpose(0, 1), chunks.decisions)
        used, (event, *stored) = only_used(events, [chunks.event.t(), *self.memory.refers_to(chunks.memory)])
        table = self.encoder(used)
        flat = event.flatten()
        encoded = table.index_select(0, flat).unflatten(0, event.shape)
        own = tree_map(lambda leaf: leaf.index_select(0, flat).unflatten(0, event.shape), used)
        if self.memory.feedback_size:
            state = CoreState(chunks.controller, chunks.memory)
            hidden, _, output = self._loop().unroll(EncodedSteps(encoded, own, starts), state, decisions, watch=False)
            return Replayed(self._features(hidden, encoded, output.read), used, None)
        hidden, _ = self.controller(encoded, chunks.controller, starts)
        steps = ReplayedSteps(hidden, encoded, own, starts, table, event, stored)
        features = self._features(hidden, encoded, self.memory.recall(steps, chunks.memory, decisions))
        return Replayed(features, used, steps)

    def ask(self, replayed: Replayed, chunks: Replay, hide: Callable[[State], State]) -> Asked:
        """Ask the memory, at each step of recorded chunks, for an event that it holds by a part of that event.

        Args:
            replayed: what `replay` returned for the chunks, of a memory that `holds_events`.
            chunks: the chunks.
            hide: hides a part of events, leaves [X, ...].
        """
        steps = cast(ReplayedSteps, replayed.steps)
        drawn = self.memory.drawn(steps, chunks.memory)
        event = drawn.flatten()
        whole = tree_map(lambda leaf: leaf.index_select(0, event.clamp(min=0)), replayed.events)
        # The controller is as it was at the step: what is practiced is not its part.
        asking = steps._replace(
            hidden=steps.hidden.detach(), encoded=self.encoder(hide(whole)).unflatten(0, drawn.shape)
        )
        read = self.memory.recall(asking, chunks.memory, tree_map(lambda leaf: leaf.transpose(0, 1), chunks.decisions))
        return Asked(read.flatten(0, 1), steps.table, event)

    def paths(self) -> dict[str, str]:
        """Return which implementations run in `unroll`, by operator, and why they are not faster ones.

        See `memory.paths`. It depends on the device and the dtype that the parameters have now.
        """
        if self.memory.feedback_size:
            return self._loop().paths()
        return {"controller": self.controller.path(), "memory": self.memory.path()}

    @torch.no_grad()
    def access(self, events: State, state: CoreState, episode_starts: Tensor, unrolled: Unrolled) -> SlotAccess | None:
        """Return what the memory read and wrote at a step; None if it has no slots.

        Args:
            events, state, episode_starts: as they were given to `unroll`, with T = 1.
            unrolled: what that returned.
        """
        encoded = self.encoder(tree_map(lambda leaf: leaf[0], events)).unsqueeze(0)
        hidden = unrolled.features[..., : self.controller.hidden_size]
        before = reset(state.memory, self.memory.initial_state(encoded.shape[1]), episode_starts[0])
        return self.memory.access(StepSequence(hidden, encoded, events, episode_starts), before, unrolled.decisions)

    def to_export(self, state: CoreState, cache: Cache | None = None) -> CoreState:
        """Return what a step outside of torch carries instead of a state; see `memory.interface.Memory.to_export`."""
        return CoreState(state.controller, self.memory.to_export(state.memory, None if cache is None else cache.memory))

    def from_export(self, carried: CoreState) -> tuple[CoreState, Cache]:
        """Return the state and the cache from which `unroll` takes the step that `carried` is before."""
        memory, kept = self.memory.from_export(carried.memory)
        return CoreState(carried.controller, memory), self._blank_cache(acting=True)._replace(memory=kept)

    def _blank_cache(self, acting: bool) -> Cache:
        """Return what can be worked out before there is a state: for acting, since along a chunk it does not pay."""
        if not acting:
            return Cache(None, None, None)
        has_reads = self.memory.read_size > 0
        return Cache(self._tables(), NativeFeatures.of(self.seen_factor, self.read_factor) if has_reads else None, None)

    def _tables(self) -> object:
        """Return what the encoder can work out before it sees any event, if it has a method `tables` for that."""
        tables = getattr(self.encoder, "tables", None)
        return None if tables is None else tables()

    def _loop(self) -> FeedbackLoop:
        return FeedbackLoop(self.controller, self.memory, self.from_feedback)

    def _features(self, hidden: Tensor, encoded: Tensor, read: Tensor) -> Tensor:
        if not self.memory.read_size:
            return hidden
        return features_of(self.seen_factor, self.read_factor, hidden, encoded, read)
