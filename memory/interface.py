"""What every memory has: an initial state, and what a sequence of steps writes to it and reads from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar, cast

from torch import Tensor, nn

from engram.memory.paths import NAIVE
from engram.memory.state import State, concatenate, leaves

MemoryState = TypeVar("MemoryState", bound=State)
Encode = Callable[[State], Tensor]  # event leaves [X, ...] -> [X, D], for any number X of events


class StepSequence(NamedTuple):
    """A sequence of steps as a memory sees it."""

    hidden: Tensor  # [T, B, H] output of the controller
    encoded: Tensor  # [T, B, D] the events, encoded with the current weights
    events: State  # [T, B, ...] the events as they can be stored
    episode_starts: Tensor  # [T, B] bool, before the step


class RecordedSteps(NamedTuple):
    """P chunks of recorded steps, L of each, as far as they do not depend on the weights."""

    event_hash: Tensor  # [L, P] int64, equal for equal events
    episode_starts: Tensor  # [L, P] bool
    decisions: State  # [L, P, ...]


class ReplayedSteps(NamedTuple):
    """Recorded steps as a memory sees them in learning; equal events have been encoded once."""

    hidden: Tensor  # [L, B, H] output of the controller
    encoded: Tensor  # [L, B, D]
    events: State  # [L, B, ...]
    episode_starts: Tensor  # [L, B] bool
    table: Tensor  # [E, D] the encodings of all events that are referred to
    event: Tensor  # [L, B] where the steps' events are in the table
    stored: list[Tensor]  # where those are that the memory `refers_to`


class MemoryOutput(NamedTuple):
    """What a memory returns for a sequence of steps."""

    read: Tensor  # [T, B, read_size]
    state: State  # after the last step, leaves [B, ...]
    decisions: (
        State  # [T, B, ...] discrete decisions, recorded while acting and replayed in learning; () if there are none
    )
    cache: object  # what can be recomputed from `state` and the weights, valid until these change; None if nothing
    trace: dict[str, Tensor]  # name -> [T, B] quantities worth watching


class SlotAccess(NamedTuple):
    """What one step read from each slot and wrote to it."""

    read: Tensor  # [B, R, N] weights of each head's read; what is missing to 1 was read from nothing stored
    written: Tensor  # [B, N] weight of the step's write to each slot
    kept: Tensor  # [B, N, W] share of what each slot held before that the write has left; W may be 1
    gate: Tensor  # [B] how much the step was to be written at all, 0..1


class Memory(nn.Module, ABC, Generic[MemoryState]):
    """A differentiable memory behind a controller.

    A memory is constructed as `Memory(encode=..., event=..., encoded_size=D, hidden_size=H, **own_sizes)`.

    Args:
        encode: encodes events with the current weights.
        event: one event (leaves [1, ...]) with the shapes and dtypes of what can be stored.
        encoded_size: D.
        hidden_size: H of the controller.
    """

    read_size: int
    """Features that a read adds to what the heads see."""

    feedback_size: int = 0
    """Features that step t-1's read feeds to the controller at step t; if not zero, time is a loop."""

    compared: tuple[bool, ...] | None = None
    """Which leaves of an event count when two events are compared, from left to right; None for all."""

    constant: tuple[bool, ...] | None = None
    """Which leaves of an event are constant over an episode, so that they need not be stored with each; None for none.

    These do not count when events are compared."""

    holds_events: bool = False
    """Whether learning can ask for events that are stored, see `drawn`."""

    reads_before_writing: bool = True
    """Whether what a step writes can be read at the step after it at the earliest."""

    def __init__(self, encode: Encode, event: State, encoded_size: int, hidden_size: int) -> None:
        super().__init__()

    @abstractmethod
    def initial_state(self, batch_size: int) -> MemoryState:
        """Return the state before the first step of `batch_size` episodes."""

    @abstractmethod
    def forward(
        self, steps: StepSequence, state: MemoryState, decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        """Read and write along a sequence.

        Within a step the order is reset, read, write. A memory with feedback is given one step, after its reset, and
        may read and write in either order, because the controller gets its read only at the step after.

        Args:
            steps: the sequence.
            state: state before the first step.
            decisions: the decisions recorded while acting, to be replayed; None to decide now.
            cache: the cache returned with `state`, if the weights have not changed since; None to recompute.
        """

    def stored(self, states: Sequence[MemoryState], recorded: RecordedSteps) -> tuple[State, Tensor] | None:
        """Return the events that states before recorded chunks hold, as far as reading takes them; None if it does not.

        Args:
            states: leaves [B, ...] each, together P rows.
            recorded: the chunks.

        Returns:
            leaves [P, U, ...], and [P, U] int64, equal for equal events.
        """
        return None

    def plan(self, states: Sequence[MemoryState], recorded: RecordedSteps, stored: Tensor | None = None) -> State:
        """Work out what of recorded chunks does not depend on the weights, once for all passes over them.

        Args:
            states: before the chunks' first steps and their resets, leaves [B, ...] each, together P rows.
            recorded: the chunks.
            stored: [P, U] the events of `stored` among the distinct ones.

        Returns:
            what `recall` takes, leaves [P, ...]; by default the states.
        """
        return concatenate(states)

    def refers_to(self, plan: State) -> list[Tensor]:
        """Return indices of the distinct events that a plan takes beside the steps' own."""
        return []

    def recall(self, steps: ReplayedSteps, plan: State, decisions: State) -> Tensor:
        """Read along recorded chunks; equal to `forward` with the recorded decisions.

        Args:
            steps: the chunks.
            plan: rows of what `plan` returned.
            decisions: [L, B, ...].

        Returns:
            [L, B, read_size].
        """
        sequence = StepSequence(steps.hidden, steps.encoded, steps.events, steps.episode_starts)
        read: Tensor = self(sequence, plan, decisions).read
        return read

    def drawn(self, steps: ReplayedSteps, plan: State) -> Tensor:
        """Draw for each recorded step one of the events that it can read, where `holds_events`.

        Whoever asks for them calls `recall` with other `hidden` or `encoded`, from which the question is made.

        Args:
            steps, plan: as for `recall`.

        Returns:
            [L, B] int64, rows of `steps.table`; -1 where there is no event.
        """
        raise TypeError(f"{type(self).__name__} holds no events that could be drawn")

    def feedback(self, state: MemoryState) -> Tensor:
        """Return what the last read feeds to the controller, [B, feedback_size]."""
        raise TypeError(f"{type(self).__name__} feeds nothing back to the controller")

    def wiped(self, state: MemoryState) -> MemoryState:
        """Return `state` with everything that was stored removed, for interventions at test time."""
        first = next(leaves(state), None)
        return state if first is None else self.initial_state(first.shape[0])

    def unwritten(self, before: MemoryState, after: MemoryState) -> MemoryState:
        """Return `after` with what the step wrote undone, for interventions at test time.

        Args:
            before: the state before the step, after any reset.
            after: the state after it.
        """
        return before

    def access(self, steps: StepSequence, state: MemoryState, decisions: State | None = None) -> SlotAccess | None:
        """Return what one step does to each slot, to explain a decision; None if this memory has no slots.

        Args:
            steps: a single step, T = 1.
            state: the state before it, after any reset.
            decisions: the decisions recorded at the step; None to decide now.
        """
        return None

    def to_export(self, state: MemoryState, cache: object = None) -> State:
        """Return what a step outside of torch carries instead of a state, leaves [B, ...]; by default the state.

        It may depend on the weights: outside of torch they stay.

        Args:
            state: before or after a step.
            cache: that came with it, if there is one.

        Raises:
            ValueError: if this memory's steps cannot be taken outside of torch.
        """
        return state

    def from_export(self, carried: State) -> tuple[MemoryState, object]:
        """Return a state and the cache that belongs to it, from which `forward` takes the step after `carried`.

        Both may lack what the step does not depend on.
        """
        return cast(MemoryState, carried), None

    def path(self) -> str:
        """Return which implementation runs, and why it is not a faster one (see `memory.paths`)."""
        return NAIVE
