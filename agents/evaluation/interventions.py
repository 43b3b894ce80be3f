"""What can be done to an agent's memory while it plays, to see what it needs: one class for each, by name.

An intervention changes the state that the agent is left with before a step, or what it carries on from it. It never
sees or changes observations, actions or rewards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engram.agents.policy import AgentState, MemoryPolicy
from engram.memory import State, reset, tree_map
from engram.memory.state import leaves

Flags = NDArray[np.bool_]  # [B]
TakeStep = Callable[[AgentState], tuple[NDArray[Any], AgentState]]  # from a state: its actions, and the state after


class Intervention:
    """Leaves the agent alone; the others are told what it is told.

    Args:
        policy: whose states these are.
        n_envs: B.
        seed: of whatever is drawn.
    """

    needs_cue = False
    """Whether it only makes sense where the env tells `cue_visible`."""
    least_envs = 1
    """How many envs have to play side by side."""

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        self.policy, self.n_envs, self.rng = policy, n_envs, np.random.default_rng(seed)

    @property
    def applied(self) -> Flags:
        """[B] whether it has been done in the episodes as they stand."""
        return np.ones(self.n_envs, dtype=bool)

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        """Return the state that the agent acts from.

        Args:
            state: before the step and before its reset, leaves [B, ...].
            starts: [B] an episode starts at this step.
            cue: [B] the cue is in sight at this step.
        """
        return state

    def after(self, state: AgentState, acted: AgentState, after: AgentState, step: TakeStep) -> AgentState:
        """Return the state that the agent carries on.

        Args:
            state: the agent's own, before the step.
            acted: what `before` has made of it.
            after: the state after the step from `acted`.
            step: takes the same step from another state.
        """
        return after


def with_memory(state: AgentState, memory: State) -> AgentState:
    """Return an agent's state with another memory."""
    return state._replace(core=state.core._replace(memory=memory))


def where(rows: Flags, one: State, other: State) -> State:
    """Choose row by row between two states."""
    first = next(leaves(one), None)
    return other if first is None else reset(other, one, torch.as_tensor(rows, dtype=torch.bool, device=first.device))


class Wiped(Intervention):
    """Empties the memory before every step."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        return with_memory(state, self.policy.core.memory.wiped(state.core.memory))


class ControllerWiped(Intervention):
    """Forgets the controller's state before every step; the previous action is an input and stays."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        initial = self.policy.core.controller.initial_state(self.n_envs)
        return state._replace(core=state.core._replace(controller=initial))


class BothWiped(ControllerWiped):
    """Empties the memory and forgets the controller's state before every step."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        state = super().before(state, starts, cue)
        return with_memory(state, self.policy.core.memory.wiped(state.core.memory))


class AfterCue(Intervention):
    """Does something once in an episode: at the first step after the cue was in sight."""

    needs_cue = True

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.shown, self.passed = np.zeros(n_envs, dtype=bool), np.zeros(n_envs, dtype=bool)

    @property
    def applied(self) -> Flags:
        return self.passed.copy()

    def passes(self, starts: Flags, cue: Flags) -> Flags:
        """Tell which rows leave the cue behind at this step, for the first time in their episode."""
        self.shown &= ~starts
        self.passed &= ~starts
        now = self.shown & ~cue & ~self.passed
        self.shown |= cue
        self.passed |= now
        return now


class WipedAfterCue(AfterCue):
    """Empties the memory once, when the cue is out of sight."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        now = self.passes(starts, cue)
        if not now.any():
            return state
        memory = state.core.memory
        return with_memory(state, where(now, self.policy.core.memory.wiped(memory), memory))


class FrozenAfterCue(AfterCue):
    """Lets nothing be written any more once the cue is out of sight."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        self.passes(starts, cue)
        return state

    def after(self, state: AgentState, acted: AgentState, after: AgentState, step: TakeStep) -> AgentState:
        undone = self.policy.core.memory.unwritten(acted.core.memory, after.core.memory)
        return with_memory(after, where(self.passed, undone, after.core.memory))


class SwappedAfterCue(AfterCue):
    """Exchanges the memory once, when the cue is out of sight, for what another episode remembered at that point.

    The first episodes to get there may have to wait for another one.
    """

    least_envs = 2

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.bank: State | None = None  # [B, ...] what each env's last episode remembered when it passed its cue
        self.banked, self.waiting = np.zeros(n_envs, dtype=bool), np.zeros(n_envs, dtype=bool)

    @property
    def applied(self) -> Flags:
        return self.passed & ~self.waiting

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        now = self.passes(starts, cue)
        self.waiting = (self.waiting & ~starts) | now
        memory = state.core.memory
        if not self.waiting.any():
            return state
        self.bank = memory if self.bank is None else where(now, memory, self.bank)
        self.banked |= now
        donors = np.arange(self.n_envs)
        for row in np.flatnonzero(self.waiting):
            others = np.flatnonzero(self.banked & (np.arange(self.n_envs) != row))
            if len(others):
                donors[row] = self.rng.choice(others)
        served = donors != np.arange(self.n_envs)
        self.waiting &= ~served
        given = tree_map(lambda leaf: leaf[torch.as_tensor(donors, device=leaf.device)], self.bank)
        return with_memory(state, where(served, given, memory))


class ReadsShuffled(Intervention):
    """Lets every read come from the memory of the next env, while each memory goes on as if it had been its own."""

    least_envs = 2

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        return with_memory(state, tree_map(lambda leaf: leaf.roll(1, 0), state.core.memory))

    def after(self, state: AgentState, acted: AgentState, after: AgentState, step: TakeStep) -> AgentState:
        return with_memory(after, step(state)[1].core.memory)


INTERVENTIONS: dict[str, type[Intervention]] = {
    "intact": Intervention,
    "wiped": Wiped,
    "controller_wiped": ControllerWiped,
    "both_wiped": BothWiped,
    "wiped_after_cue": WipedAfterCue,
    "frozen_after_cue": FrozenAfterCue,
    "reads_shuffled": ReadsShuffled,
    "swapped_after_cue": SwappedAfterCue,
}


def make_intervention(name: str, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> Intervention:
    """Return an intervention by its name.

    Raises:
        ValueError: if there is none of this name, or there are too few envs.
    """
    if name not in INTERVENTIONS:
        raise ValueError(f"unknown intervention '{name}'; choose one of {', '.join(INTERVENTIONS)}")
    if n_envs < INTERVENTIONS[name].least_envs:
        raise ValueError(f"'{name}' needs {INTERVENTIONS[name].least_envs} envs or more side by side")
    return INTERVENTIONS[name](policy, n_envs, seed)
