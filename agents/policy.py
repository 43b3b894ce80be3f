"""The custom SB3 policy: the entry points by which Stable-Baselines3 and scripts use the actor-critic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.common.utils import ConstantSchedule, get_device
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.agents.actor_critic import MemoryActorCritic
from engram.agents.encoder import ENCODERS
from engram.agents.spaces import observation_tree
from engram.agents.starts_told import StartsTold
from engram.agents.steps import AgentState
from engram.memory import CONTROLLERS, MEMORIES, Cache, State
from engram.storage.agent import naming, read_agent, write_agent
from engram.storage.modules import set_weights, weights_of

KIND = "policy"
NAMES: dict[str, Mapping[str, type[Any]]] = {
    "memory": MEMORIES,
    "controller": CONTROLLERS,
    "encoder": ENCODERS,
    "features_extractor_class": ENCODERS,
}
"""Arguments that are classes with names, and these."""


class MemoryPolicy(MemoryActorCritic):
    """Actor-critic with a controller and an external memory.

    `predict` carries the agent's state from call to call. The other entry points of Stable-Baselines3 know no state:
    they take every observation for the first of an episode.
    Its arguments are those of `MemoryActorCritic`.
    """

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self._recent = EncodingCache()
        self.starts_told = StartsTold()

    def save(self, path: str | Path | BufferedIOBase) -> None:
        """Save the policy alone, without its optimizer; see `MemoryPPO.save`."""
        arguments = self._get_constructor_parameters()
        observed, acted = (arguments.pop(name) for name in ("observation_space", "action_space"))
        del arguments["lr_schedule"]
        write_agent(path, KIND, observed, acted, arguments, NAMES, {"weights": weights_of(self)})

    @classmethod
    def load(
        cls,
        path: str | Path | BufferedIOBase,
        device: torch.device | str = "auto",
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Self:
        """Load a policy that was saved alone; see `MemoryPPO.load`.

        Raises:
            ValueError: in one line, if the file is damaged or no policy's, or something has to be given again.
        """
        known = {*signature(MemoryActorCritic).parameters, *signature(ActorCriticPolicy).parameters}
        saved = read_agent(path, KIND, known, custom_objects or {})
        with naming(path):
            policy = cls(
                saved.observation_space, saved.action_space, lr_schedule=ConstantSchedule(0.0), **saved.arguments
            )
            set_weights(policy, saved.learned["weights"])
        return policy.to(get_device(device))

    def predict(  # type: ignore[override]  # SB3 knows states of arrays only; ours is a tree of tensors
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: AgentState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[Any], AgentState]:
        """Choose actions as SB3's `predict` does, carrying the agent's state.

        Args:
            observation: one observation or a batch of them.
            state: what the call before returned; None at the very first step.
            episode_start: [B] bool; None if no episode starts (or, without a state, if all do). Who tells none for more
                steps than any episode of the training had is warned once.
            deterministic: take the most likely action instead of sampling.
            action_masks: [B, A] or [A] bool, the actions allowed.

        Returns:
            actions and the state for the next call.

        Raises:
            ValueError: if `state` is not one of the agent's, or an argument is of another number of envs than the
                observation.
        """
        if self.training:  # it walks through all modules, which at every step of a long episode is felt
            self.set_training_mode(False)
        tensors, vectorized = self.obs_to_tensor(observation)
        tree = observation_tree(tensors, self.observation_space, self.device)
        batch_size = self._batch_size(tree)
        given = state
        if state is None:
            state = self.initial_state(batch_size)
            episode_start = np.ones(batch_size, dtype=bool) if episode_start is None else episode_start
        if not isinstance(state, AgentState):
            raise ValueError(f"state must be what the last call of predict returned, or None, and not {state!r:.60}")
        starts = np.zeros(batch_size, dtype=bool) if episode_start is None else np.atleast_1d(episode_start)
        for name, rows in (("state", len(state.previous_action)), ("episode_start", len(starts))):
            if rows != batch_size:
                raise ValueError(f"{name} is of {rows} envs, the observation of {batch_size}")
        masks = None
        if action_masks is not None:
            # Of several choices, [choices, n] or one behind the other.
            rows = len(action_masks) if vectorized and np.ndim(action_masks) > 1 else 1
            masks = torch.as_tensor(np.reshape(action_masks, (rows, -1)), device=self.device)
        if masks is not None and len(masks) != batch_size:
            raise ValueError(f"action_masks are of {len(masks)} envs, the observation of {batch_size}")
        starting = torch.as_tensor(starts, dtype=torch.bool, device=self.device)
        cache = self._recent.take(state, self, self.optimizer)
        with torch.no_grad():
            step = self.act(tree, state, starting, deterministic, None if masks is None else masks.bool(), cache)
        self._recent.put(step.state, step.cache, self, self.optimizer)
        self.starts_told.note(given, step.state, episode_start)
        actions = self.env_actions(step.actions)
        return actions if vectorized else actions.squeeze(axis=0), step.state

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Within it nobody changes the weights: `predict` does not look them through at every step."""
        self._recent = EncodingCache(trusts=True)
        try:
            yield
        finally:
            self._recent = EncodingCache()

    def env_actions(self, actions: Tensor) -> NDArray[Any]:
        """Return actions as the env takes them, [B, *action shape], within its bounds."""
        array = actions.cpu().numpy().reshape(-1, *cast(tuple[int, ...], self.action_space.shape))
        if isinstance(self.action_space, spaces.Box):
            array = np.clip(array, self.action_space.low, self.action_space.high)
        return array

    def first_step(self, obs: PyTorchObs) -> tuple[Distribution, Tensor]:
        """Return the action distribution and the values [B] of observations [B, ...] that begin an episode."""
        observation = observation_tree(obs, self.observation_space, self.device)
        batch_size = self._batch_size(observation)
        starts = torch.ones(batch_size, dtype=torch.bool, device=self.device)
        _, unrolled = self.unroll_step(observation, self.initial_state(batch_size), starts)
        features = unrolled.features[0]
        return self.distribution(features, observation, None), self.value(features)

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Return the action distribution of first observations [B, ...]."""
        return self.first_step(obs)[0]

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Return the values [B, 1] of first observations [B, ...], in units of `MemoryPPO.return_scale`."""
        return self.first_step(obs)[1].unsqueeze(-1)

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions [B, ...], values [B, 1] and log-probabilities [B] for first observations."""
        distribution, values = self.first_step(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        shaped = actions.reshape(-1, *cast(tuple[int, ...], self.action_space.shape))
        return shaped, values.unsqueeze(-1), distribution.log_prob(actions)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return values [B, 1], log-probabilities [B] and entropies [B] of actions at first observations."""
        distribution, values = self.first_step(obs)
        if isinstance(self.action_space, spaces.Box):
            actions = actions.flatten(1)
        return values.unsqueeze(-1), distribution.log_prob(actions), distribution.entropy()

    @staticmethod
    def _batch_size(observation: State) -> int:
        return observation.shape[0] if isinstance(observation, Tensor) else MemoryPolicy._batch_size(observation[0])


class EncodingCache:
    """Keeps what a call of `predict` has encoded for the next, outside of the state, and only while it holds.

    It is handed out once, for the very state it came with and unchanged weights; for another state without what is of
    the memory. A copy holds nothing.

    Args:
        trusts: whether weights are taken for unchanged without a look.
    """

    def __init__(self, trusts: bool = False) -> None:
        self.trusts = trusts
        self._held: tuple[object, tuple[int, ...], Cache] | None = None
        self._version: tuple[int, ...] | None = None

    def __reduce__(self) -> tuple[type[EncodingCache], tuple[()]]:
        return EncodingCache, ()

    def put(self, state: object, cache: Cache, weights: nn.Module, optimizer: Optimizer) -> None:
        """Hold the cache that was returned with `state`; the weights are those of `take`."""
        self._held = (state, self._version or self._look(weights, optimizer), cache)

    def take(self, state: object, weights: nn.Module, optimizer: Optimizer) -> Cache | None:
        """Hand over what holds for this state and these weights, and hold nothing any more."""
        held, self._held, self._version = self._held, None, None
        if held is None:
            return None
        of, version, cache = held
        self._version = self._look(weights, optimizer)
        if version != self._version:
            return None
        return cache if of is state else cache._replace(memory=None)

    def _look(self, weights: nn.Module, optimizer: Optimizer) -> tuple[int, ...]:
        return () if self.trusts else _version(weights, optimizer)


def _version(weights: nn.Module, optimizer: Optimizer) -> tuple[int, ...]:
    """What changes when weights are updated in place or replaced.

    A fused optimizer changes them without raising their version, but it counts its steps in tensors of its own.
    """
    counters = (state["step"] for state in optimizer.state.values() if isinstance(state.get("step"), Tensor))
    return tuple(number for leaf in (*weights.parameters(), *counters) for number in (leaf.data_ptr(), leaf._version))
