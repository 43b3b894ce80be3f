"""The recurrent core: encoder, controller and memory as one function over sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from engram.memory.controllers.interface import Controller
from engram.memory.feedback.loop import EncodedSteps, FeedbackLoop
from engram.memory.interface import Memory, SlotAccess, StepSequence
from engram.memory.registry import build_controller, build_memory
from engram.memory.state import State, reset, tree_map


class CoreState(NamedTuple):
    """The states of both parts, leaves [B, ...]."""

    controller: State
    memory: State


class Unrolled(NamedTuple):
    """What the core returns for a sequence of steps."""

    features: Tensor  # [T, B, F] what the heads see
    state: CoreState  # after the last step
    decisions: State  # [T, B, ...] recorded decisions of the memory
    cache: State | None  # see `memory.interface.MemoryOutput`
    trace: dict[str, Tensor]  # name -> [T, B]


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
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.controller: Controller[Any] = build_controller(controller, encoded_size, controller_kwargs)
        hidden_size = self.controller.hidden_size
        self.memory: Memory[Any] = build_memory(
            memory, encoder.forward, event, encoded_size, hidden_size, memory_kwargs
        )
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
        cache: State | None = None,
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
        encoded = self.encoder(tree_map(lambda leaf: leaf.flatten(0, 1), events)).unflatten(0, shape)
        if self.memory.feedback_size:
            steps = EncodedSteps(encoded, events, episode_starts)
            hidden, controller_state, output = self._loop().unroll(steps, state, decisions, cache)
        else:
            hidden, controller_state = self.controller(encoded, state.controller, episode_starts)
            output = self.memory(StepSequence(hidden, encoded, events, episode_starts), state.memory, decisions, cache)
        features = self._features(hidden, encoded, output.read)
        return Unrolled(
            features, CoreState(controller_state, output.state), output.decisions, output.cache, output.trace
        )

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

    def _loop(self) -> FeedbackLoop:
        return FeedbackLoop(self.controller, self.memory, self.from_feedback)

    def _features(self, hidden: Tensor, encoded: Tensor, read: Tensor) -> Tensor:
        if not self.memory.read_size:
            return hidden
        seen = torch.cat([hidden, encoded], dim=-1)
        return torch.cat([hidden, read, self.seen_factor(seen) * self.read_factor(read)], dim=-1)
