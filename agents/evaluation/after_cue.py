"""Interventions that change the memory once in an episode: at the first step at which the cue is out of sight."""

from __future__ import annotations

import numpy as np
import torch

from engram.agents.evaluation.intervention import Flags, Intervention, TakeStep, choose_rows, with_memory
from engram.agents.policy import MemoryPolicy
from engram.agents.steps import AgentState
from engram.memory import State, tree_map


class AfterCue(Intervention):
    """Knows when each episode leaves its cue behind: the first step at which the cue is out of sight again."""

    needs_cue = True

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.seen, self.passed = np.zeros(n_envs, dtype=bool), np.zeros(n_envs, dtype=bool)

    @property
    def applied(self) -> Flags:
        return self.passed.copy()

    def update_passed(self, starts: Flags, cue: Flags) -> Flags:
        """Return [B] which episodes leave their cue behind at this step, for the first time."""
        self.seen &= ~starts
        self.passed &= ~starts
        now = self.seen & ~cue & ~self.passed
        self.seen |= cue
        self.passed |= now
        return now


class WipedAfterCue(AfterCue):
    """Empties the memory once, when the cue is out of sight."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        now = self.update_passed(starts, cue)
        if not now.any():
            return state
        memory = state.core.memory
        return with_memory(state, choose_rows(now, self.policy.core.memory.wiped(memory), memory))


class FrozenAfterCue(AfterCue):
    """Undoes every write once the cue is out of sight."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        self.update_passed(starts, cue)
        return state

    def after(self, state: AgentState, acted: AgentState, after: AgentState, step: TakeStep) -> AgentState:
        undone = self.policy.core.memory.unwritten(acted.core.memory, after.core.memory)
        return with_memory(after, choose_rows(self.passed, undone, after.core.memory))


class SwappedAfterCue(AfterCue):
    """Replaces the memory once, when the cue is out of sight, by that of another episode at the same point.

    The first episodes that get there may have to wait for another one.
    """

    least_envs = 2

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.bank: State | None = (
            None  # [B, ...] the memory of each env's last episode that left its cue behind, at that step
        )
        self.banked, self.waiting = np.zeros(n_envs, dtype=bool), np.zeros(n_envs, dtype=bool)

    @property
    def applied(self) -> Flags:
        return self.passed & ~self.waiting

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        now = self.update_passed(starts, cue)
        self.waiting = (self.waiting & ~starts) | now
        memory = state.core.memory
        if not self.waiting.any():
            return state
        self.bank = memory if self.bank is None else choose_rows(now, memory, self.bank)
        self.banked |= now
        donors = np.arange(self.n_envs)
        for row in np.flatnonzero(self.waiting):
            others = np.flatnonzero(self.banked & (np.arange(self.n_envs) != row))
            if len(others):
                donors[row] = self.rng.choice(others)
        served = donors != np.arange(self.n_envs)
        self.waiting &= ~served
        given = tree_map(lambda leaf: leaf[torch.as_tensor(donors, device=leaf.device)], self.bank)
        return with_memory(state, choose_rows(served, given, memory))
