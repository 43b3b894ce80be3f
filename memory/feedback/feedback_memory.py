"""The base of all memories whose read of one step enters the controller at the next, so that time is a loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.feedback.fused_step import FusedStep, Leaves, fused_step
from engram.memory.interface import Memory, MemoryOutput, MemoryState, StepSequence
from engram.memory.paths import NAIVE
from engram.memory.precision import full_precision
from engram.memory.state import State

BESIDE_THE_STEP = frozenset(
    {"initial_state", "watched", "wiped", "unwritten", "access", "path", "read_size", "feedback_size"}
)
"""What a subclass may override without changing `step`, so that a fused path for its parent still holds."""


class MemoryStep(NamedTuple):
    """What a step of a memory returns."""

    state: Any  # after the step, leaves [B, ...]
    trace: dict[str, Tensor]  # name -> [B] quantities worth watching
    decision: Tensor | None = None  # [B, ...] the discrete choice that was made, if there is one


class FeedbackMemory(Memory[MemoryState]):
    """A memory whose read of step t-1 enters the controller at step t.

    `memory.feedback.loop` loops over time and does the resets; the memory takes one `step` after the other, which is
    its definition. What it reads is part of its state: `feedback` picks it out.

    A memory that is driven by one product with the hidden vector, and whose step has its backward pass written out,
    sets `fused` to that step and `from_hidden` to the product; the last leaf of its state is what was read.
    """

    decision_type: torch.dtype | None = None
    """In which discrete choices are recorded; None if there are none to make."""

    fused: FusedStep | None = None
    why_not_fused: str = ""
    """Why there is no fused step, if there might be one."""

    from_hidden: nn.Linear

    @abstractmethod
    def step(self, hidden: Tensor, encoded: Tensor, state: MemoryState, decision: Tensor | None = None) -> MemoryStep:
        """Read and write once.

        Args:
            hidden: [B, H] output of the controller.
            encoded: [B, D] the encoded event.
            state: leaves [B, ...], after any reset.
            decision: [B, ...] int64, the discrete choice to be replayed; None to decide now.
        """

    def interface_vector(self, hidden: Tensor) -> Tensor:
        """Return what drives the memory, [B, S], before it is bounded, given the controller's output [B, H]."""
        vector: Tensor = self.from_hidden(hidden.to(self.from_hidden.weight.dtype))
        return vector

    def watched(self, vectors: Tensor, passed: Sequence[Leaves]) -> dict[str, Tensor]:
        """Pick quantities [T, B] worth watching from interface vectors [T, B, S] and the states after each step."""
        return {}

    def watched_after(self, vector: Tensor, after: State) -> dict[str, Tensor]:
        """Pick the quantities [B] worth watching of one step, given its interface vector [B, S]."""
        with torch.no_grad():
            watched = self.watched(vector.unsqueeze(0), [cast(Leaves, after)])
        return {name: value.squeeze(0) for name, value in watched.items()}

    def take_step(
        self, hidden: Tensor, encoded: Tensor, state: MemoryState, decision: Tensor | None = None
    ) -> MemoryStep:
        """Take one step by the fused path where there is one; see `step`, which it is held to."""
        if self.fused is None or torch.compiler.is_exporting():
            return self.step(hidden, encoded, state, decision)
        with full_precision(hidden):
            vector = self.interface_vector(hidden)
            after, decision = fused_step(self.fused, vector, cast(Leaves, state), decision)
        return MemoryStep(like(state, after), self.watched_after(vector, after), decision)

    def forward(
        self, steps: StepSequence, state: MemoryState, decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        if len(steps.hidden) != 1:
            name = type(self).__name__
            raise ValueError(f"{name} feeds its read back: it takes one step at a time, as Core.unroll does")
        replayed = self.replay(decisions)
        decision = None if replayed is None else replayed[0]
        after, trace, decision = self.take_step(steps.hidden[0], steps.encoded[0], state, decision)
        watched = {name: value.unsqueeze(0) for name, value in trace.items()}
        read = self.feedback(after).unsqueeze(0)
        return MemoryOutput(read, after, self.record([decision]), None, watched)

    def replay(self, decisions: State | None) -> Tensor | None:
        """Return recorded choices [T, B, ...] in the type in which they are used; None to decide now."""
        return None if decisions is None or self.decision_type is None else cast(Tensor, decisions).long()

    def record(self, decisions: Sequence[Tensor | None]) -> State:
        """Return the choices of T steps in the type in which they are stored."""
        if self.decision_type is None:
            return ()
        return torch.stack(cast("list[Tensor]", decisions)).to(self.decision_type)

    def feedback(self, state: MemoryState) -> Tensor:
        return cast(Leaves, state)[-1]

    def path(self) -> str:
        if self.fused is None:
            return f"{NAIVE}: {self.why_not_fused}" if self.why_not_fused else NAIVE
        return self.fused.path(cast(Leaves, self.initial_state(1)))


def like(state: MemoryState, leaves: Leaves) -> MemoryState:
    """Put leaves into a state of the same kind."""
    return type(state)(*leaves)
