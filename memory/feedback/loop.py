"""Behind a memory that feeds its read back to the controller time is a loop: the naive one, and a fused one."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.controllers.interface import Controller
from engram.memory.controllers.lstm import native as native_lstm
from engram.memory.controllers.lstm.definition import LSTM, LSTMState
from engram.memory.feedback.feedback_memory import FeedbackMemory, like
from engram.memory.feedback.fused_loop import LoopState, Weights, fused_loop
from engram.memory.feedback.fused_step import Leaves
from engram.memory.feedback.native_loop import Packed, native_loop
from engram.memory.interface import Memory, MemoryOutput, StepSequence
from engram.memory.paths import FUSED, NAIVE, NATIVE
from engram.memory.precision import full_precision
from engram.memory.state import State, any_episode_start, concatenate, reset, tree_map


class EncodedSteps(NamedTuple):
    """A sequence of steps before the controller."""

    encoded: Tensor  # [T, B, D]
    events: State  # [T, B, ...]
    episode_starts: Tensor  # [T, B] bool


class LoopOutput(NamedTuple):
    """What a loop over a sequence returns."""

    hidden: Tensor  # [T, B, H]
    controller_state: State  # after the last step
    memory: MemoryOutput


class LoopCache(NamedTuple):
    """What holds as long as the weights."""

    weights: Weights
    packed: Packed | None


class FeedbackLoop(NamedTuple):
    """A controller and a memory that take turns; what connects them, and the loop over time."""

    controller: Controller[Any]
    memory: Memory[Any]
    from_feedback: nn.Linear  # from the read of step t-1 to what it adds to the controller's inputs

    def unroll(
        self,
        steps: EncodedSteps,
        state: tuple[State, State],
        decisions: State | None = None,
        cache: object = None,
        watch: bool = True,
    ) -> LoopOutput:
        """Run along a sequence, by the fused loop where there is one.

        Args:
            steps: the sequence.
            state: of controller and memory, before the first step and before its reset.
            decisions, cache: see `memory.interface.Memory.forward`.
            watch: whether there is to be a trace; it may be there without being asked for.
        """
        if self.why_naive():
            return self.unroll_naive(steps, state, decisions, cache, watch)
        return self.unroll_fused(steps, state, decisions, cache, watch)

    def unroll_naive(
        self,
        steps: EncodedSteps,
        state: tuple[State, State],
        decisions: State | None = None,
        cache: object = None,
        watch: bool = True,
    ) -> LoopOutput:
        """Run step by step: the definition, see `unroll`."""
        controller, memory, from_feedback = self
        projected, size = controller.from_input(steps.encoded), steps.encoded.shape[1]
        begins = any_episode_start(steps.episode_starts)
        # Where no episode starts no initial state is made: links are large, and acting is one step.
        initial = (controller.initial_state(size), memory.initial_state(size)) if any(begins) else state
        hiddens, outputs = [], []
        # By `unbind`: the gradient of an index is a whole sequence of zeros at every step.
        inputs, encoded, starts = (part.unbind(0) for part in (projected, steps.encoded, steps.episode_starts))
        for t in range(len(inputs)):
            if begins[t]:
                state = reset(state, initial, starts[t])
            feedback = from_feedback(memory.feedback(state[1]).to(projected.dtype))
            hidden, controller_state = controller.step(inputs[t] + feedback, state[0])
            now = slice(t, t + 1)
            event, decision = (
                None if tree is None else tree_map(lambda leaf, now=now: leaf[now], tree)
                for tree in (steps.events, decisions)
            )
            step = StepSequence(
                hidden.unsqueeze(0), encoded[t].unsqueeze(0), cast(State, event), steps.episode_starts[now]
            )
            output = memory(step, state[1], decision, cache)
            state, cache = (controller_state, output.state), output.cache
            hiddens.append(hidden)
            outputs.append(output)
        trace = {name: torch.cat([output.trace[name] for output in outputs]) for name in outputs[0].trace}
        read = torch.cat([output.read for output in outputs])
        made = concatenate([output.decisions for output in outputs])
        return LoopOutput(torch.stack(hiddens), state[0], MemoryOutput(read, state[1], made, cache, trace))

    def unroll_fused(
        self,
        steps: EncodedSteps,
        state: tuple[State, State],
        decisions: State | None = None,
        cache: object = None,
        watch: bool = True,
    ) -> LoopOutput:
        """Run an LSTM and a memory whose step is written out as one node of the graph, see `unroll`."""
        controller, memory = cast(LSTM, self.controller), cast("FeedbackMemory[Any]", self.memory)
        assert memory.fused is not None
        projected, size = controller.from_input(steps.encoded), steps.encoded.shape[1]
        begins = any_episode_start(steps.episode_starts)
        before = LoopState(*cast(LSTMState, state[0]), cast(Leaves, state[1]))
        initial = before  # not used where no episode starts
        if any(begins):
            initial = LoopState(*controller.initial_state(size), cast(Leaves, memory.initial_state(size)))
        acting = len(begins) == 1 and not torch.is_grad_enabled()
        kept = cast("LoopCache | None", cache)
        with full_precision(projected):
            if kept is None:
                to_gates = torch.cat([controller.from_hidden.weight, self.from_feedback.weight], dim=1)
                kept = LoopCache(Weights(to_gates, memory.from_hidden.weight, memory.from_hidden.bias), None)
            replayed = memory.replay(decisions)
            inputs = projected.to(kept.weights.to_gates.dtype)
            rest = (memory.fused, kept.weights, inputs, before, initial, steps.episode_starts, begins, replayed)
            native = native_loop(*rest, kept.packed)
            looped, packed = (fused_loop(*rest), None) if native is None else native
        with torch.no_grad():
            trace = memory.watched(looped.vectors, looped.passed) if watch else {}
            made = memory.record(looped.decisions)
        kept = kept._replace(packed=packed) if acting else None
        return LoopOutput(
            looped.hidden,
            LSTMState(looped.state.hidden, looped.state.cell),
            MemoryOutput(looped.read, like(state[1], looped.state.memory), made, kept, trace),
        )

    def why_naive(self) -> str:
        """Return why there is no fused loop for these two; empty if there is one."""
        controller, memory = self.controller, self.memory
        if not isinstance(controller, LSTM):
            return f"there is a fused loop for an LSTM only, not for a {type(controller).__name__}"
        if not isinstance(memory, FeedbackMemory) or memory.fused is None:
            return f"{type(memory).__name__} has no fused step"
        return controller.why_naive()

    def paths(self) -> dict[str, str]:
        """Return which implementations run, by operator (see `memory.paths`)."""
        reason = self.why_naive()
        if reason:
            return {"feedback loop": f"{NAIVE}: {reason}", "controller": NAIVE, "memory": self.memory.path()}
        cell, memory = native_lstm.path(cast(LSTM, self.controller).from_hidden.weight), self.memory.path()
        return {"feedback loop": NATIVE if memory == NATIVE else FUSED, "controller": cell, "memory": memory}
