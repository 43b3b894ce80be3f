"""Memories that feed their read back and whose step has its backward pass written out.

Such a step can be one node of the graph (`fused_step`), and with an LSTM in front of it so can a whole chunk
(`memory.feedback.fused_loop`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from engram.memory.interface import Memory, MemoryOutput, MemoryState, SlotAccess, StepSequence, single_step
from engram.memory.precision import full_precision, in_full_precision
from engram.memory.state import State

Leaves: TypeAlias = tuple[Tensor, ...]


class Stepped(NamedTuple):
    """What a step leaves behind."""

    after: Leaves  # the state after it
    kept: Leaves  # what its backward pass needs
    decided: Tensor | None  # [B, ...] the discrete choice that was made, if there is one


class FusedStep(ABC):
    """A step of a memory with its backward pass written out: functions of tensors, which write to none of them.

    `before` and `after` are the leaves of the memory's state in order. The last of them, [B, F], is what was read. What
    the step before has read is not looked at.
    """

    @abstractmethod
    def forward(self, said: Tensor, before: Leaves, decided: Tensor | None) -> Stepped:
        """Take the step.

        Args:
            said: [B, S] what the controller says, before it is bounded.
            before: leaves [B, ...] of the state, after any reset.
            decided: the discrete choice to be replayed; None to decide now.
        """

    @abstractmethod
    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        """Return the gradients of `said` and of `before` but for its read, given those of `after`."""


class SteppedMemory(Memory[MemoryState]):
    """A memory that takes one step at a time, told what to do by one product with the hidden vector.

    `plain_step` is the definition. `fused` is held to it, and is None where options have no written-out step. The last
    leaf of the state is what was read.
    """

    reads_before_writing = False
    fused: FusedStep | None
    from_hidden: nn.Linear
    decision_type: torch.dtype | None = None
    """In which discrete choices are recorded; None if there are none to make."""

    @abstractmethod
    def plain_step(self, said: Tensor, state: MemoryState, decided: Tensor | None) -> tuple[MemoryState, Tensor | None]:
        """Write and read as the papers write it.

        Args:
            said: [B, S] what the controller says, before it is bounded.
            state: leaves [B, ...], after any reset.
            decided: [B, ...] int64, the discrete choice to be replayed; None to decide now.

        Returns:
            the state after the step, and the choice.
        """

    @abstractmethod
    def watched(self, said: Tensor, passed: Sequence[Leaves]) -> dict[str, Tensor]:
        """Pick quantities [T, B] worth watching from what was said, [T, B, S], and the states after each step."""

    def say(self, hidden: Tensor) -> Tensor:
        """Return what the controller says, [B, S], given its hidden vector [B, H]."""
        said: Tensor = self.from_hidden(hidden)
        return said

    def step(
        self, hidden: Tensor, state: MemoryState, decided: Tensor | None = None
    ) -> tuple[MemoryState, Tensor | None, dict[str, Tensor]]:
        """Take one step; see `plain_step`, which takes what `say` returns."""
        said = self.say(hidden)
        with full_precision(said):
            said = said.to(self.from_hidden.weight.dtype)
            if self.fused is None:
                after, decided = self.plain_step(said, state, decided)
            else:
                leaves, decided = fused_step(self.fused, said, cast(Leaves, state), decided)
                after = like(state, leaves)
        with torch.no_grad():
            return after, decided, self.watched(said.unsqueeze(0), [cast(Leaves, after)])

    def forward(
        self, steps: StepSequence, state: MemoryState, decisions: State | None = None, cache: State | None = None
    ) -> MemoryOutput:
        hidden, _ = single_step(self, steps)
        replayed = self.replayed(decisions)
        after, decided, trace = self.step(hidden, state, None if replayed is None else replayed[0])
        return MemoryOutput(self.feedback(after).unsqueeze(0), after, self.recorded([decided]), None, trace)

    @torch.no_grad()
    def access(self, steps: StepSequence, state: MemoryState, decisions: State | None = None) -> SlotAccess | None:
        said = self.say(steps.hidden[0]).to(self.from_hidden.weight.dtype)
        replayed = self.replayed(decisions)
        after, _ = self.plain_step(said, state, None if replayed is None else replayed[0])
        return self.accessed(said, state, after)

    def accessed(self, said: Tensor, before: MemoryState, after: MemoryState) -> SlotAccess | None:
        """Tell what a step did to each slot, given what was said [B, S] and the states around it."""
        return None

    def replayed(self, decisions: State | None) -> Tensor | None:
        """Return recorded choices [T, B, ...] as they are used; None to decide now."""
        return None if decisions is None or self.decision_type is None else cast(Tensor, decisions).long()

    def recorded(self, decisions: list[Tensor | None]) -> State:
        """Return the choices of T steps as they are stored."""
        if self.decision_type is None:
            return ()
        return torch.stack(cast("list[Tensor]", decisions)).to(self.decision_type)

    def feedback(self, state: MemoryState) -> Tensor:
        return cast(Leaves, state)[-1]


def like(state: MemoryState, leaves: Leaves) -> MemoryState:
    """Put leaves into a state of the same kind."""
    return type(state)(*leaves)


def fused_step(
    step: FusedStep, said: Tensor, before: Leaves, decided: Tensor | None = None
) -> tuple[Leaves, Tensor | None]:
    """Take one step as one node of the graph: for a loop that someone else runs.

    Returns:
        the leaves of the state after the step, and the discrete choice.
    """
    apply: Callable[..., tuple[Any, ...]] = _FusedStep.apply
    *after, decided = apply(step, decided, said, *before)
    return tuple(after), decided


class _FusedStep(torch.autograd.Function):
    """See `fused_step`."""

    @staticmethod
    def forward(ctx: Any, step: FusedStep, decided: Tensor | None, said: Tensor, *before: Tensor) -> tuple[Any, ...]:
        after, kept, decided = step.forward(said, before, decided)
        ctx.step = step
        ctx.save_for_backward(*kept)
        if decided is not None:
            ctx.mark_non_differentiable(decided)
        return *after, decided

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_said, of_before = ctx.step.backward(gradients[:-1], ctx.saved_tensors)
        return None, None, of_said, *of_before, None
