"""Interventions on single events of an episodic memory: those that show the cue, or as many others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engram.agents.encoder import Event
from engram.agents.evaluation.interventions import Flags, Intervention, with_memory
from engram.agents.policy import AgentState, MemoryPolicy
from engram.memory.episodic.edit import deleted, happened_at, replaced
from engram.memory.episodic.memory import EpisodicMemory, EpisodicState
from engram.memory.state import tree_map

OtherCue = Callable[[int, NDArray[Any]], NDArray[Any]]
"""From the number of an env and an observation to the same observation had the other cue been there."""


class CueEvents(Intervention):
    """Knows which events in memory show the cue.

    Args:
        policy: an agent with the episodic memory.
        n_envs, seed: see `Intervention`.

    Raises:
        ValueError: if the agent has another memory.
    """

    needs_cue = True

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        if not isinstance(policy.core.memory, EpisodicMemory):
            name = type(policy.core.memory).__name__
            raise ValueError(f"single events can only be told apart in an episodic memory, and not in {name}")
        self.time = np.zeros(n_envs, dtype=np.int64)
        self.cue_steps: list[list[int]] = [[] for _ in range(n_envs)]

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        for row in np.flatnonzero(starts):
            self.time[row] = 0
            self.cue_steps[row] = []
            self.begin(int(row))
        memory = cast(EpisodicState, state.core.memory)
        # A row that starts still holds the episode before, which its reset will remove.
        going_on = torch.as_tensor(~starts, device=memory.filled.device).unsqueeze(1)
        changed = self.change(memory, happened_at(memory, self._steps(memory.birth)) & going_on, going_on)
        for row in np.flatnonzero(cue):
            self.cue_steps[row].append(int(self.time[row]))
        self.time += 1
        return state if changed is memory else with_memory(state, changed)

    def begin(self, row: int) -> None:
        """Forget what belongs to the ended episode of an env."""

    def change(self, memory: EpisodicState, shows_cue: Tensor, going_on: Tensor) -> EpisodicState:
        """Return the memory that the agent acts from, given the slots [B, N] that show the cue."""
        return memory

    def _steps(self, like: Tensor) -> Tensor:
        most = max(1, *map(len, self.cue_steps))
        padded = [steps + [-1] * (most - len(steps)) for steps in self.cue_steps]
        return torch.tensor(padded, dtype=torch.int64, device=like.device)


class CueDeleted(CueEvents):
    """Deletes every event that shows the cue as soon as it is stored."""

    def change(self, memory: EpisodicState, shows_cue: Tensor, going_on: Tensor) -> EpisodicState:
        return deleted(memory, shows_cue)


class OthersDeleted(CueEvents):
    """Deletes as many events at random as show the cue, but none of those."""

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.done = np.zeros(n_envs, dtype=np.int64)

    def begin(self, row: int) -> None:
        self.done[row] = 0

    def change(self, memory: EpisodicState, shows_cue: Tensor, going_on: Tensor) -> EpisodicState:
        others = (memory.filled & going_on & ~shows_cue).cpu().numpy()
        wanted = shows_cue.sum(1).cpu().numpy() - self.done
        gone = np.zeros_like(others)
        for row in np.flatnonzero((wanted > 0) & others.any(1)):
            candidates = np.flatnonzero(others[row])
            chosen = self.rng.choice(candidates, min(wanted[row], len(candidates)), replace=False)
            gone[row, chosen] = True
            self.done[row] += len(chosen)
        return deleted(memory, torch.as_tensor(gone, device=memory.filled.device)) if gone.any() else memory


class CueReplaced(CueEvents):
    """Lets every event that shows the cue show the other one instead.

    Args:
        policy, n_envs, seed: see `CueEvents`.
        other: what would have been seen; observations that are a single array.
    """

    def __init__(self, policy: MemoryPolicy, n_envs: int, other: OtherCue, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.other = other
        self.replaced: list[set[int]] = [set() for _ in range(n_envs)]

    def begin(self, row: int) -> None:
        self.replaced[row] = set()

    def change(self, memory: EpisodicState, shows_cue: Tensor, going_on: Tensor) -> EpisodicState:
        for row, slot in shows_cue.nonzero().tolist():
            birth = int(memory.birth[row, slot])
            if birth in self.replaced[row]:
                continue
            self.replaced[row].add(birth)
            event: Event = tree_map(lambda leaf, slot=slot: leaf[:, slot].clone(), cast(Event, memory.events))
            observation = cast(Tensor, event.observation)
            seen = self.other(row, observation[row].cpu().numpy())
            observation[row] = torch.as_tensor(seen, device=observation.device).to(observation.dtype)
            here = torch.zeros_like(shows_cue)
            here[row, slot] = True
            memory = replaced(memory, here, event)
        return memory
