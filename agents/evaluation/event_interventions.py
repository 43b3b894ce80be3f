"""Interventions on single events of an episodic memory: those that show the cue, or as many others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from engram.agents.encoder import Event
from engram.agents.evaluation.intervention import Flags, Intervention, with_memory
from engram.agents.policy import MemoryPolicy
from engram.agents.spaces import as_observed, observation_tree
from engram.agents.steps import AgentState
from engram.memory.episodic.edit import delete_events, happened_at, replace_events
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.state import leaves, tree_map

OtherCue = Callable[[int, Any], Any]
"""From the number of an env and an observation to the same observation with the other cue."""


class CueEvents(Intervention):
    """Knows which events in memory show the cue; changes nothing itself.

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
            raise ValueError(f"single events can be edited only in an episodic memory, not in {name}")
        self.time = np.zeros(n_envs, dtype=np.int64)
        self.cue_steps: list[list[int]] = [[] for _ in range(n_envs)]

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        for row in np.flatnonzero(starts):
            self.time[row] = 0
            self.cue_steps[row] = []
            self.start_episode(int(row))
        memory = cast(EpisodicState, state.core.memory)
        # At the first step of an episode the memory still holds the last one: it is reset within the step.
        continues = torch.as_tensor(~starts, device=memory.filled.device).unsqueeze(1)
        edited = self.edit(memory, happened_at(memory, self._steps(memory.birth)) & continues, continues)
        for row in np.flatnonzero(cue):
            self.cue_steps[row].append(int(self.time[row]))
        self.time += 1
        return state if edited is memory else with_memory(state, edited)

    def start_episode(self, row: int) -> None:
        """Reset what belongs to the last episode of an env."""

    def edit(self, memory: EpisodicState, shows_cue: Tensor, continues: Tensor) -> EpisodicState:
        """Return the memory that the agent acts from.

        Args:
            memory: leaves [B, ...].
            shows_cue: [B, N] bool, slots with an event that shows the cue.
            continues: [B, 1] bool, no episode starts at this step.
        """
        return memory

    def _steps(self, like: Tensor) -> Tensor:
        most = max(1, *map(len, self.cue_steps))
        padded = [steps + [-1] * (most - len(steps)) for steps in self.cue_steps]
        return torch.tensor(padded, dtype=torch.int64, device=like.device)


class CueDeleted(CueEvents):
    """Deletes every event that shows the cue as soon as it is stored."""

    def edit(self, memory: EpisodicState, shows_cue: Tensor, continues: Tensor) -> EpisodicState:
        return delete_events(memory, shows_cue)


class OthersDeleted(CueEvents):
    """Deletes as many events at random as show the cue, but none of those."""

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.n_deleted = np.zeros(n_envs, dtype=np.int64)

    def start_episode(self, row: int) -> None:
        self.n_deleted[row] = 0

    def edit(self, memory: EpisodicState, shows_cue: Tensor, continues: Tensor) -> EpisodicState:
        others = (memory.filled & continues & ~shows_cue).cpu().numpy()
        wanted = shows_cue.sum(1).cpu().numpy() - self.n_deleted
        gone = np.zeros_like(others)
        for row in np.flatnonzero((wanted > 0) & others.any(1)):
            candidates = np.flatnonzero(others[row])
            chosen = self.rng.choice(candidates, min(wanted[row], len(candidates)), replace=False)
            gone[row, chosen] = True
            self.n_deleted[row] += len(chosen)
        return delete_events(memory, torch.as_tensor(gone, device=memory.filled.device)) if gone.any() else memory


class CueReplaced(CueEvents):
    """Replaces every event that shows the cue by the same event with the other cue.

    Args:
        policy, n_envs, seed: see `CueEvents`.
        other: gives the observation with the other cue.
    """

    def __init__(self, policy: MemoryPolicy, n_envs: int, other: OtherCue, seed: int = 0) -> None:
        super().__init__(policy, n_envs, seed)
        self.other = other
        self.replaced: list[set[int]] = [set() for _ in range(n_envs)]

    def start_episode(self, row: int) -> None:
        self.replaced[row] = set()

    def edit(self, memory: EpisodicState, shows_cue: Tensor, continues: Tensor) -> EpisodicState:
        for row, slot in shows_cue.nonzero().tolist():
            birth = int(memory.birth[row, slot])
            if birth in self.replaced[row]:
                continue
            self.replaced[row].add(birth)
            event: Event = tree_map(lambda leaf, slot=slot: leaf[:, slot].clone(), cast(Event, memory.events))
            space = self.policy.observation_space
            seen = as_observed(tree_map(lambda leaf, row=row: leaf[row], event.observation), space)
            new = observation_tree(self.other(row, seen), space, self.policy.device)
            for leaf, changed in zip(leaves(event.observation), leaves(new), strict=True):
                leaf[row] = changed
            here = torch.zeros_like(shows_cue)
            here[row, slot] = True
            memory = replace_events(memory, here, event, self.policy.core.memory.compared)
        return memory
