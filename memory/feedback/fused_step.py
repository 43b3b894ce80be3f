"""A step of a feedback memory with its backward pass written out, as one node of the graph.

With an LSTM in front of it, a whole chunk can be one node (`memory.feedback.fused_loop`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.paths import FUSED
from engram.memory.precision import in_full_precision

Leaves: TypeAlias = tuple[Tensor, ...]


class FusedOutput(NamedTuple):
    """What a fused step returns."""

    after: Leaves  # the state after it
    kept: Leaves  # what its backward pass needs
    decision: Tensor | None  # [B, ...] the discrete choice that was made, if there is one


class FusedStep(ABC):
    """A step of a memory with its backward pass written out: functions of tensors, which write to none of them.

    `before` and `after` are the leaves of the memory's state in order. The last of them, [B, F], is what was read; what
    the step before has read is not used.
    """

    @abstractmethod
    def forward(self, vector: Tensor, before: Leaves, decision: Tensor | None) -> FusedOutput:
        """Take the step.

        Args:
            vector: [B, S] the interface vector, before it is bounded.
            before: leaves [B, ...] of the state, after any reset.
            decision: the discrete choice to be replayed; None to decide now.
        """

    @abstractmethod
    def backward(self, of_after: Leaves, kept: Leaves) -> tuple[Tensor, Leaves]:
        """Return the gradients of `vector` and of `before` but for its read, given those of `after`."""

    def path(self, before: Leaves) -> str:
        """Return which implementation runs for states like this one (see `memory.paths`)."""
        return FUSED


def fused_step(
    step: FusedStep, vector: Tensor, before: Leaves, decision: Tensor | None = None
) -> tuple[Leaves, Tensor | None]:
    """Take one step as one node of the graph.

    Returns:
        the leaves of the state after the step, and the discrete choice.
    """
    apply: Callable[..., tuple[Any, ...]] = _FusedStep.apply
    *after, decision = apply(step, decision, vector, *before)
    return tuple(after), decision


class _FusedStep(torch.autograd.Function):
    """See `fused_step`."""

    @staticmethod
    def forward(ctx: Any, step: FusedStep, decision: Tensor | None, vector: Tensor, *before: Tensor) -> tuple[Any, ...]:
        after, kept, decision = step.forward(vector, before, decision)
        ctx.step = step
        ctx.save_for_backward(*kept)
        if decision is not None:
            ctx.mark_non_differentiable(decision)
        return *after, decision

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_vector, of_before = ctx.step.backward(gradients[:-1], ctx.saved_tensors)
        return None, None, of_vector, *of_before, None
