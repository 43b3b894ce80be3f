"""Behind a memory that feeds its read back to the controller time is a loop: the plain one, and a faster one."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from engram.memory.controllers.interface import Controller
from engram.memory.controllers.lstm.definition import LSTM, LSTMState
from engram.memory.feedback.fused_loop import LoopState, Weights, fused_loop
from engram.memory.feedback.fused_step import FusedStep, Leaves, SteppedMemory, like
from engram.memory.interface import Memory, MemoryOutput, StepSequence
from engram.memory.precision import full_precision
from engram.memory.state import State, any_episode_start, concatenate, reset, tree_map


class Parts(NamedTuple):
    """What takes turns in the loop."""

    controller: Controller[Any]
    memory: Memory[Any]
    from_feedback: nn.Linear  # from the read of step t-1 to what it adds to the controller's inputs


class Seen(NamedTuple):
    """A sequence of steps before the controller has looked at them."""

    encoded: Tensor  # [T, B, D]
    events: State  # [T, B, ...]
    episode_starts: Tensor  # [T, B] bool


class Run(NamedTuple):
    """What a loop over a sequence returns."""

    hidden: Tensor  # [T, B, H]
    controller: State  # its state after the last step
    recall: MemoryOutput


def run(parts: Parts, seen: Seen, state: tuple[State, State], decisions: State | None, cache: State | None) -> Run:
    """Run along a sequence, in the fastest way that there is for these parts.

    Args:
        parts: controller, memory and what connects them.
        seen: the sequence.
        state: of controller and memory, before the first step and before its reset.
        decisions, cache: see `memory.interface.Memory.forward`.
    """
    controller, memory, _ = parts
    if type(controller) is LSTM and isinstance(memory, SteppedMemory) and memory.fused is not None:
        return fused(parts, memory.fused, seen, state, decisions)
    return plain(parts, seen, state, decisions, cache)


def plain(parts: Parts, seen: Seen, state: tuple[State, State], decisions: State | None, cache: State | None) -> Run:
    """Run step by step: the definition, see `run`."""
    controller, memory, from_feedback = parts
    projected, size = controller.from_input(seen.encoded), seen.encoded.shape[1]
    begins = any_episode_start(seen.episode_starts)
    # Where no episode starts nothing is made that nobody would look at: links are large, and acting is one step.
    initial = (controller.initial_state(size), memory.initial_state(size)) if any(begins) else state
    hiddens, recalls = [], []
    # By `unbind`: the gradient of an index is a whole sequence of zeros at every step.
    inputs, encoded, starts = (part.unbind(0) for part in (projected, seen.encoded, seen.episode_starts))
    for t in range(len(inputs)):
        if begins[t]:
            state = reset(state, initial, starts[t])
        feedback = from_feedback(memory.feedback(state[1]).to(projected.dtype))
        hidden, controller_state = controller.step(inputs[t] + feedback, state[0])
        now = slice(t, t + 1)
        event, write = (
            None if tree is None else tree_map(lambda leaf, now=now: leaf[now], tree)
            for tree in (seen.events, decisions)
        )
        steps = StepSequence(hidden.unsqueeze(0), encoded[t].unsqueeze(0), cast(State, event), seen.episode_starts[now])
        recall = memory(steps, state[1], write, cache)
        state, cache = (controller_state, recall.state), recall.cache
        hiddens.append(hidden)
        recalls.append(recall)
    trace = {name: torch.cat([recall.trace[name] for recall in recalls]) for name in recalls[0].trace}
    read, written = (
        torch.cat([recall.read for recall in recalls]),
        concatenate([recall.decisions for recall in recalls]),
    )
    return Run(torch.stack(hiddens), state[0], MemoryOutput(read, state[1], written, cache, trace))


def fused(parts: Parts, step: FusedStep, seen: Seen, state: tuple[State, State], decisions: State | None) -> Run:
    """Run an LSTM and a memory whose step is written out as one node of the graph, see `run`."""
    controller, memory = cast(LSTM, parts.controller), cast("SteppedMemory[Any]", parts.memory)
    projected, size = controller.from_input(seen.encoded), seen.encoded.shape[1]
    begins = any_episode_start(seen.episode_starts)
    before = LoopState(*cast(LSTMState, state[0]), cast(Leaves, state[1]))
    initial = before  # where no episode starts nobody looks at it
    if any(begins):
        initial = LoopState(*controller.initial_state(size), cast(Leaves, memory.initial_state(size)))
    with full_precision(projected):
        to_gates = torch.cat([controller.from_hidden.weight, parts.from_feedback.weight], dim=1)
        weights = Weights(to_gates, memory.from_hidden.weight, memory.from_hidden.bias)
        decided = memory.replayed(decisions)
        inputs = projected.to(to_gates.dtype)
        looped = fused_loop(step, weights, inputs, before, initial, seen.episode_starts, begins, decided)
    with torch.no_grad():
        trace, written = memory.watched(looped.said, looped.passed), memory.recorded(looped.decided)
    after = like(state[1], looped.state.memory)
    return Run(
        looped.hidden,
        LSTMState(looped.state.hidden, looped.state.cell),
        MemoryOutput(looped.read, after, written, None, trace),
    )
