"""One step of the agent as a function of plain tensors: what is exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from torch import Tensor, nn

from engram.agents.policy import MemoryPolicy
from engram.agents.spaces import blank_observation
from engram.agents.steps import AgentState
from engram.memory import Cache, State, tree_map
from engram.memory.state import leaves


class StepInputs(NamedTuple):
    """What a step of B envs takes."""

    episode_start: Tensor  # [B] bool
    observation: State  # leaves [B, ...]
    state: AgentState  # of the memory what `memory.interface.Memory.to_export` returns


class StepOutputs(NamedTuple):
    """What it returns."""

    action: Tensor  # [B, *action shape], the most likely one, within the bounds of the action space
    distribution: tuple[Tensor, ...]  # [B, A] each, see `DISTRIBUTION`
    value: Tensor  # [B], in units of `MemoryPPO.return_scale`
    state: AgentState  # after the step


DISTRIBUTION = {
    "Discrete": ("probabilities",),  # of every action
    "MultiDiscrete": ("probabilities",),  # of every action of the first choice, then of the second, ...
    "MultiBinary": ("probabilities",),  # that it is 1
    "Box": ("mean", "deviation"),  # of a normal distribution, before it is clipped
}
"""What describes the distribution of actions, by the kind of their space."""


def carried(policy: MemoryPolicy, state: AgentState, cache: Cache | None = None) -> AgentState:
    """Return what an exported step carries instead of a state; the cache is the one that came with it."""
    return state._replace(core=policy.core.to_export(state.core, cache))


class ExportedStep(nn.Module):
    """The agent's step between flat lists of tensors, by the definitions alone (see `memory.exporting`).

    Args:
        policy: the agent; its weights stay.
        batch_size: B.
    """

    def __init__(self, policy: MemoryPolicy, batch_size: int) -> None:
        super().__init__()
        self.policy, observed = policy, policy.observation_space
        blank = tree_map(lambda leaf: leaf.expand(batch_size, *leaf.shape[1:]), blank_observation(observed))
        start = torch.ones(batch_size, dtype=torch.bool)
        example = StepInputs(start, blank, carried(policy, policy.initial_state(batch_size)))
        # An initial state may hold one tensor twice, which tracing would take for a single input.
        self.example = tree_map(lambda leaf: leaf.detach().clone(memory_format=torch.contiguous_format), example)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Take a step between the leaves of `StepInputs` and those of `StepOutputs`."""
        policy, queue = self.policy, iter(inputs)
        start, observation, state = tree_map(lambda _: next(queue), self.example)
        core, cache = policy.core.from_export(state.core)
        _, unrolled = policy.unroll_step(observation, state._replace(core=core), start, cache=cache)
        features = unrolled.features[0]
        distribution = policy.distribution(features, observation, None)
        actions = distribution.get_actions(deterministic=True)
        after = AgentState(unrolled.state, policy.stored_action.store(actions))
        outputs = StepOutputs(
            self._within_bounds(actions.reshape(-1, *cast("tuple[int, ...]", policy.action_space.shape))),
            parameters_of(distribution),
            policy.value(features),
            carried(policy, after, unrolled.cache),
        )
        return tuple(leaves(outputs))

    def _within_bounds(self, actions: Tensor) -> Tensor:
        space = self.policy.action_space
        if not isinstance(space, spaces.Box):
            return actions
        return actions.clamp(torch.as_tensor(space.low), torch.as_tensor(space.high))

    def input_names(self) -> list[str]:
        """Name the leaves of `StepInputs`: `observation.KEY` of a Dict, and the states' fields."""
        space = self.policy.observation_space
        keys = [f"observation.{key}" for key in sorted(space.spaces)] if isinstance(space, spaces.Dict) else None
        return ["episode_start", *(keys or ["observation"]), *self.state_names()]

    def output_names(self) -> list[str]:
        """Name the leaves of `StepOutputs`; the state after the step is `next.` and the name of that before."""
        described = DISTRIBUTION[type(self.policy.action_space).__name__]
        return ["action", *described, "value", *(f"next.{name}" for name in self.state_names())]

    def state_names(self) -> list[str]:
        """Name the leaves of the state: `controller.hidden`, `memory.step`, `previous_action`."""
        state = self.example.state
        return [*_names("controller", state.core.controller), *_names("memory", state.core.memory), "previous_action"]


def parameters_of(distribution: Distribution) -> tuple[Tensor, ...]:
    """Return what describes a distribution of actions, [B, A] each; see `DISTRIBUTION`."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.distribution.probs,)
    if isinstance(distribution, MultiCategoricalDistribution):
        return (torch.cat([part.probs for part in distribution.distribution], dim=1),)
    if isinstance(distribution, BernoulliDistribution):
        return (distribution.distribution.probs,)
    normal = cast(DiagGaussianDistribution, distribution).distribution
    return normal.mean, normal.stddev


def _names(name: str, tree: State) -> Iterator[str]:
    """Name the leaves of a tree by their fields, from left to right."""
    if isinstance(tree, Tensor):
        yield name
        return
    fields = getattr(tree, "_fields", range(len(tree)))
    for field, branch in zip(fields, tree, strict=True):
        yield from _names(f"{name}.{field}", branch)
