"""How a rollout steps its envs: by arrays, as any VecEnv is stepped, or by tensors that stay on a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from engram.agents.policy import MemoryPolicy
from engram.agents.rollout.observation_check import ObservationCheck
from engram.agents.rollout.questions import env_action_masks, has_attribute, innermost
from engram.agents.spaces import observation_tree
from engram.memory import State


class Outcome(NamedTuple):
    """What a step of B envs led to; where an episode ended, the next one has begun."""

    observation: State  # [B, ...] what the agent sees next
    rewards: Tensor  # [B] float32
    terminated: Tensor  # [B] bool
    truncated: Tensor  # [B] bool
    final: State | None  # [B, ...], where an episode was truncated its last observation; None if none was
    reset_only: State = ()  # [B] bool, where the step only began an episode; () if there are no such envs


class Stepper(Protocol):
    """Steps B envs."""

    told: dict[str, Any]
    """Of the last step: what SB3's callbacks expect to be told, under SB3's names."""

    def first(self, observations: Any) -> State:
        """Return the observations [B, ...] with which a rollout begins, as SB3 keeps them, as a tree."""

    def action_masks(self) -> Tensor | None:
        """Return the actions that the envs allow now [B, A], or None if they have no such method."""

    def step(self, actions: Tensor) -> Outcome:
        """Take one step in every env; `actions` are as the policy's distribution gives them."""

    def stands(self) -> tuple[Any, NDArray[np.bool_]]:
        """Return where the envs stand after a step, as SB3 keeps it: arrays, observations [B, ...] and `dones` [B]."""

    def ended_episodes(self) -> list[dict[str, Any]]:
        """Return the infos of the episodes that ended since the last call and that `told` has not had."""


class SteppedByTensors(Protocol):
    """What a VecEnv has that can be stepped by tensors; `engram.envs.TensorVecEnv` is one."""

    def step_tensors(self, actions: Tensor) -> Any:
        """Take one step; `actions` are [B].

        Returns:
            what has the attributes `observations` [B, ...] (of a Dict by key), `rewards` [B] float32, `terminated`,
            `truncated` [B] bool, `final_observations` [B, ...] (what the step led to, before the next episode began),
            and `cue_visible`.
        """

    def ended_episodes(self) -> list[dict[str, Any]]:
        """Return the infos of the episodes that ended since the last call."""


def stepper_of(env: VecEnv, policy: MemoryPolicy, check: ObservationCheck) -> Stepper:
    """Step by tensors what can be; a wrapper, which sees arrays only, has no such method of its own."""
    if hasattr(type(env), "step_tensors"):
        return TensorStepper(cast(SteppedByTensors, env), policy)
    return ArrayStepper(env, policy, check)


class ArrayStepper:
    """Steps any VecEnv.

    Args:
        env: B envs.
        policy: for its space and device.
        check: looks at every observation; it outlives a rollout, so that what it has warned of it does not repeat.
    """

    def __init__(self, env: VecEnv, policy: MemoryPolicy, check: ObservationCheck) -> None:
        self.env, self.policy = env, policy
        self.has_masks = has_attribute(env, "action_masks")
        self.check = check
        self.resets_take_a_step = bool(getattr(innermost(env), "resets_take_a_step", False))
        self.told: dict[str, Any] = {}

    def first(self, observations: Any) -> State:
        self.check.look(observations)
        return self._tree(observations)

    def action_masks(self) -> Tensor | None:
        return torch.as_tensor(env_action_masks(self.env), device=self.policy.device) if self.has_masks else None

    def step(self, actions: Tensor) -> Outcome:
        taken = self.policy.env_actions(actions)
        observations, rewards, dones, infos = self.env.step(taken)
        dones = np.array(dones, dtype=bool)  # a copy: an env may fill the same array again at its next step
        self.told = {
            "actions": taken,
            "clipped_actions": taken,
            "new_obs": observations,
            "rewards": rewards,
            "dones": dones,
            "infos": infos,
        }
        self.check.look(observations)
        truncated = np.zeros_like(dones)
        for row in np.flatnonzero(dones).tolist():
            # As stock PPO has it: an end whose last observation nobody tells has no value after it.
            is_known = infos[row].get("terminal_observation") is not None
            truncated[row] = is_known and bool(np.any(infos[row].get("TimeLimit.truncated", False)))
        return Outcome(
            self._tree(observations),
            torch.tensor(rewards, dtype=torch.float32, device=self.policy.device),
            torch.as_tensor(dones & ~truncated, device=self.policy.device),
            torch.as_tensor(truncated, device=self.policy.device),
            self._final(observations, infos, truncated) if truncated.any() else None,
            self._reset_only(infos) if self.resets_take_a_step else (),
        )

    def stands(self) -> tuple[Any, NDArray[np.bool_]]:
        return self.told["new_obs"], self.told["dones"]

    def ended_episodes(self) -> list[dict[str, Any]]:
        return []

    def _reset_only(self, infos: Sequence[dict[str, Any]]) -> Tensor:
        return torch.tensor([info.get("reset_only", False) for info in infos], device=self.policy.device)

    def _final(self, observations: Any, infos: Sequence[dict[str, Any]], truncated: NDArray[np.bool_]) -> State:
        """Copy the observations [B, ...], and put in the last ones of truncated episodes, where the next have begun."""
        rows = np.flatnonzero(truncated)
        last = [infos[row]["terminal_observation"] for row in rows.tolist()]
        if isinstance(observations, dict):
            parts = {key: np.stack([observation[key] for observation in last]) for key in observations}
            self.check.look(parts, rows)
            return self._tree({key: _with_rows(array, rows, parts[key]) for key, array in observations.items()})
        self.check.look(np.stack(last), rows)
        return self._tree(_with_rows(observations, rows, np.stack(last)))

    def _tree(self, observations: Any) -> State:
        return observation_tree(observations, self.policy.observation_space, self.policy.device)


class TensorStepper:
    """Steps envs that live on a device; nothing is asked of it, and callbacks are told tensors, and no infos.

    Args:
        env: B envs.
        policy: for its space and device.
    """

    def __init__(self, env: SteppedByTensors, policy: MemoryPolicy) -> None:
        self.env, self.policy = env, policy
        self.told: dict[str, Any] = {}

    def first(self, observations: Any) -> State:
        return observation_tree(observations, self.policy.observation_space, self.policy.device)

    def action_masks(self) -> Tensor | None:
        return None

    def step(self, actions: Tensor) -> Outcome:
        step = self.env.step_tensors(actions)
        self.told = {
            "actions": actions,
            "new_obs": step.observations,
            "rewards": step.rewards,
            "dones": step.terminated | step.truncated,
            "infos": [],
            "cue_visible": step.cue_visible,
        }
        device, space = self.policy.device, self.policy.observation_space
        return Outcome(
            observation_tree(step.observations, space, device),
            step.rewards.to(device),
            step.terminated.to(device),
            step.truncated.to(device),
            observation_tree(step.final_observations, space, device),
        )

    def stands(self) -> tuple[Any, NDArray[np.bool_]]:
        seen, ended = self.told["new_obs"], self.told["dones"].cpu().numpy()
        if isinstance(seen, dict):
            return {key: part.cpu().numpy() for key, part in seen.items()}, ended
        return seen.cpu().numpy(), ended

    def ended_episodes(self) -> list[dict[str, Any]]:
        return self.env.ended_episodes()


def _with_rows(array: NDArray[Any], rows: NDArray[np.int64], new: NDArray[Any]) -> NDArray[Any]:
    copied = array.copy(order="K")  # as the others lie, so that the same kernels compute with them
    copied[rows] = new
    return copied
