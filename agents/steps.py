"""What the agent carries from step to step, does at a step, and says of recorded steps."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from engram.memory import Cache, CoreState, State


class AgentState(NamedTuple):
    """All that the agent carries from step to step; `predict` passes it through `evaluate_policy` unchanged."""

    core: CoreState
    previous_action: Tensor  # [B, A], see `PreviousAction`


class Step(NamedTuple):
    """What the agent does at one step of B envs."""

    actions: Tensor  # [B] or [B, A], as the distribution gives them; see `env_actions`
    values: Tensor  # [B]
    log_probs: Tensor  # [B]
    state: AgentState
    decisions: State  # [B, ...] the memory's recorded decisions
    cache: Cache  # see `memory.core.Cache`
    trace: dict[str, Tensor]  # name -> [B]


class Evaluation(NamedTuple):
    """What the current weights say of recorded actions."""

    values: Tensor  # [T, B]
    log_probs: Tensor  # [T, B]
    entropies: Tensor  # [T, B]
    rewards: Tensor  # [T, B] what the actions are expected to pay at once, see `RewardHead`
    recall: State = ()  # [] the error of recalling events, see `RecallHead`; () if none were asked for
