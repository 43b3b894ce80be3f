"""The interface of an intervention: what is done to an agent's memory while it plays, to see what the agent needs.

An intervention changes the state that the agent acts from at a step, or the state that it keeps after the step. It
never sees or changes observations, actions or rewards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engram.agents.policy import MemoryPolicy
from engram.agents.steps import AgentState
from engram.memory import State, reset
from engram.memory.state import leaves

Flags = NDArray[np.bool_]  # [B]
TakeStep = Callable[[AgentState], tuple[NDArray[Any], AgentState]]  # from a state: its actions, and the state after


class Intervention:
    """Changes nothing; the base class of those that do.

    Args:
        policy: whose states these are.
        n_envs: B.
        seed: of all random choices.
    """

    needs_cue = False
    """Whether it needs an env with `info["cue_visible"]`."""
    least_envs = 1
    """How many envs have to play side by side."""

    def __init__(self, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> None:
        self.policy, self.n_envs, self.rng = policy, n_envs, np.random.default_rng(seed)

    @property
    def applied(self) -> Flags:
        """[B] whether it has been done in the current episode of each env."""
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
        """Return the state that the agent keeps for the next step.

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


def choose_rows(rows: Flags, one: State, other: State) -> State:
    """Choose row by row between two states."""
    first = next(leaves(one), None)
    return other if first is None else reset(other, one, torch.as_tensor(rows, dtype=torch.bool, device=first.device))
