"""What every memory answers: its initial state, and what a sequence of steps writes to it and reads from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor, nn

from engram.memory.state import State, leaves

MemoryState = TypeVar("MemoryState", bound=State)
Encode = Callable[[State], Tensor]  # event leaves [X, ...] -> [X, D], for any number X of events


class StepSequence(NamedTuple):
    """A sequence of steps as a memory sees it."""

    hidden: Tensor  # [T, B, H] what the controller says
    encoded: Tensor  # [T, B, D] the events, encoded with the current weights
    events: State  # [T, B, ...] the events as they can be stored
    episode_starts: Tensor  # [T, B] bool, before the step


class MemoryOutput(NamedTuple):
    """What a memory returns for a sequence of steps."""

    read: Tensor  # [T, B, read_size]
    state: State  # after the last step, leaves [B, ...]
    decisions: (
        State  # [T, B, ...] discrete decisions, recorded while acting and replayed in learning; () if there are none
    )
    cache: State | None  # what can be recomputed from `state` and the weights; valid until the weights change
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
        event: one event (leaves [1, ...]) that tells the shapes and dtypes of what can be stored.
        encoded_size: D.
        hidden_size: H of the controller.
    """

    read_size: int
    """Features that a read adds to what the heads see."""

    feedback_size: int = 0
    """Features that step t-1's read feeds to the controller at step t; if not zero, time is a loop."""

    reads_before_writing: bool = True
    """Whether what a step writes can be read at the step after it at the earliest."""

    def __init__(self, encode: Encode, event: State, encoded_size: int, hidden_size: int) -> None:
        super().__init__()

    @abstractmethod
    def initial_state(self, batch_size: int) -> MemoryState:
        """Return the state before the first step of `batch_size` episodes."""

    @abstractmethod
    def forward(
        self, steps: StepSequence, state: MemoryState, decisions: State | None = None, cache: State | None = None
    ) -> MemoryOutput:
        """Read and write along a sequence.

        Within a step the order is reset, read, write. A memory with feedback is given one step, after its reset; in
        which order it reads and writes is its own affair, for what it reads is told to the controller afterwards.

        Args:
            steps: the sequence.
            state: state before the first step.
            decisions: the decisions recorded while acting, to be replayed; None to decide now.
            cache: the cache returned with `state`, if the weights have not changed since; None to recompute.
        """

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
        """Tell what one step does to each slot, for people who ask why; None if this memory has no slots.

        Args:
            steps: a single step, T = 1.
            state: the state before it, after any reset.
            decisions: the decisions recorded at the step; None to decide now.
        """
        return None


def single_step(memory: Memory[Any], steps: StepSequence) -> tuple[Tensor, Tensor]:
    """Return hidden vectors [B, H] and encoded events [B, D] of the one step that a memory with feedback is given.

    Raises:
        ValueError: if there are several.
    """
    if len(steps.hidden) != 1:
        name = type(memory).__name__
        raise ValueError(f"{name} feeds its read back: it takes one step at a time, which Core.unroll sees to")
    return steps.hidden[0], steps.encoded[0]


class SequentialMemory(Memory[MemoryState]):
    """A memory whose read of step t-1 enters the controller at step t.

    `memory.feedback.loop` loops over time and does the resets; the memory takes one `step` after the other. What it
    reads is part of its state: `feedback` picks it out.
    """

    @abstractmethod
    def step(self, hidden: Tensor, encoded: Tensor, state: MemoryState) -> tuple[MemoryState, dict[str, Tensor]]:
        """Read and write once.

        Args:
            hidden: [B, H] what the controller says.
            encoded: [B, D] the encoded event.
            state: leaves [B, ...], after any reset.

        Returns:
            the state after the step, and quantities [B] worth watching.
        """

    def forward(
        self, steps: StepSequence, state: MemoryState, decisions: State | None = None, cache: State | None = None
    ) -> MemoryOutput:
        after, trace = self.step(*single_step(self, steps), state)
        watched = {name: value.unsqueeze(0) for name, value in trace.items()}
        return MemoryOutput(self.feedback(after).unsqueeze(0), after, (), None, watched)
