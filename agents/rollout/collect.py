"""Collecting experience: the agent plays B envs for T steps and all observations, actions and writes are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from engram.agents.exploration.interface import Seen
from engram.agents.policy import MemoryPolicy
from engram.agents.rollout.buffer import ChunkBuffer, Transition
from engram.agents.rollout.observation_check import ObservationCheck, WrongStep
from engram.agents.rollout.returns import next_values
from engram.agents.rollout.stepping import stepper_of
from engram.agents.steps import AgentState
from engram.memory import Cache, State, tree_map
from engram.memory.state import concatenate


class RolloutCursor(NamedTuple):
    """Where the collection goes on after a rollout."""

    observations: Any  # as a VecEnv returns them
    episode_starts: NDArray[np.bool_]  # [B]
    state: AgentState


class Rollout(NamedTuple):
    """What is known after T steps, beside what the buffer holds."""

    following: Tensor  # [T, B] value of what follows each step
    news: Tensor | None  # [T, B] how new what each step led to is, see `Bonus`
    trace: dict[str, float]  # name -> mean over the rollout
    episodes: list[dict[str, Any]]  # infos of ended episodes that no callback has been told step by step


@torch.no_grad()
def collect(
    policy: MemoryPolicy,
    env: VecEnv,
    cursor: RolloutCursor,
    buffer: ChunkBuffer,
    novelty: Callable[[Seen], Tensor] | None,
    check: ObservationCheck,
    n_steps: int,
    on_step: Callable[[dict[str, Any]], bool],
) -> tuple[RolloutCursor, Rollout | None]:
    """Play `n_steps` steps and fill the buffer.

    Args:
        policy: the agent; it samples its actions.
        env: B envs; they are stepped by tensors if they can be (see `agents/rollout/stepping.py`).
        cursor: where to go on.
        buffer: emptied and filled.
        novelty: a `Bonus`; is shown all steps, also those of a rollout that ends early; None if news is worth nothing.
        check: is shown every observation that comes as arrays.
        n_steps: T.
        on_step: called after each step with the names that SB3's callbacks expect; False ends the collection.

    Returns:
        where to go on, and the rollout, or None if `on_step` ended it early.

    Raises:
        WrongStep: if an observation or a reward is not finite, which would make all weights so, too, a choice or a
            symbol is not of its space, or a constant key changed.
    """
    stepper = stepper_of(env, policy, check)
    observation = stepper.first(cursor.observations)
    episode_start = torch.as_tensor(cursor.episode_starts, dtype=torch.bool, device=policy.device)
    state = cursor.state
    cache: Cache | None = None  # the weights have changed since the last rollout
    truncations = Truncations()
    traces: dict[str, list[Tensor]] = {}
    buffer.reset()
    for time in range(n_steps):
        masks = stepper.action_masks()
        step = policy.act(observation, state, episode_start, action_masks=masks, cache=cache)
        outcome = stepper.step(step.actions)
        for name, values in step.trace.items():
            traces.setdefault(name, []).append(values)
        told = {"n_steps": time, "obs_tensor": observation, "values": step.values, "log_probs": step.log_probs}
        buffer.add(
            state,
            Transition(
                observation,
                step.actions,
                episode_start,
                () if masks is None else masks,
                step.decisions,
                step.log_probs,
                step.values,
                outcome.rewards,
                outcome.terminated,
                outcome.truncated,
                outcome.reset_only,
            ),
        )
        if outcome.final is not None:
            truncations.add(time, outcome.truncated, outcome.final, step.state)
        observation, episode_start = outcome.observation, outcome.terminated | outcome.truncated
        state, cache = step.state, step.cache
        if not on_step({**told, **stepper.told, "trace": step.trace}):
            if novelty is not None:
                novelty(_seen(buffer.so_far(), observation, episode_start, policy))
            return RolloutCursor(*stepper.stands(), state), None

    rollout = buffer.finish()
    _check_rewards(rollout.rewards)
    _check_constants(rollout, policy)
    news = None if novelty is None else novelty(_seen(rollout, observation, episode_start, policy))
    following = next_values(
        rollout.values,
        policy.values_of(observation, state, episode_start, cache),  # for the last time: the weights will change
        rollout.terminated,
        rollout.truncated,
        truncations.values(rollout.values, policy),
    )
    means = {name: torch.stack(values).mean().item() for name, values in traces.items()}
    found = Rollout(following, news, means, stepper.ended_episodes())
    return RolloutCursor(*stepper.stands(), state), found


def _seen(steps: Transition, observation: State, episode_start: Tensor, policy: MemoryPolicy) -> Seen:
    """Return what steps [X, B, ...] show, and the observation [B, ...] that they led to."""
    last = tree_map(lambda leaf: leaf.unsqueeze(0), observation)
    return Seen(
        concatenate([steps.observation, last]),
        policy.stored_action.store(steps.actions),
        torch.cat([steps.episode_start, episode_start.unsqueeze(0)]),
    )


class Truncations:
    """The truncated episodes of a rollout: their value is that of the final observation, with the memory after it.

    Which they are has to be asked of the device. It is asked at once and read one step later, while the device is busy
    with that step, so that neither waits for the other.
    """

    def __init__(self) -> None:
        self._asked: Callable[[], None] | None = None
        self._parts: list[tuple[State, AgentState, Tensor, Tensor]] = []  # leaves [X, ...]; times and rows [X]

    def add(self, time: int, truncated: Tensor, final: State, state: AgentState) -> None:
        """Note the episodes truncated at a step.

        Args:
            time: of the step.
            truncated: [B] bool.
            final: what the step led to, leaves [B, ...]; only rows that are truncated count.
            state: after the step, leaves [B, ...].
        """
        self._read()
        flags = truncated.to("cpu", non_blocking=truncated.is_cuda)
        arrived = torch.cuda.current_stream(truncated.device).record_event() if truncated.is_cuda else None

        def read() -> None:
            if arrived is not None:
                arrived.synchronize()
            rows = flags.nonzero().squeeze(1).to(truncated.device, non_blocking=True)
            if len(rows):
                chosen = tree_map(lambda leaf: leaf[rows], (final, state))
                self._parts.append((*chosen, torch.full_like(rows, time), rows))

        self._asked = read

    def values(self, values: Tensor, policy: MemoryPolicy) -> Tensor:
        """Value the truncated episodes, all in one batch; zeros [T, B] elsewhere, as `values` is [T, B]."""
        self._read()
        result = torch.zeros_like(values)
        if self._parts:
            observation, state, times, rows = concatenate(self._parts)
            starts = torch.zeros_like(rows, dtype=torch.bool)
            result[times, rows] = policy.values_of(observation, state, starts)
        return result

    def _read(self) -> None:
        if self._asked is not None:
            self._asked()
            self._asked = None


def _check_rewards(rewards: Tensor) -> None:
    """Refuse rewards [T, B] that nothing can be learned from."""
    wrong = ~rewards.isfinite()
    if wrong.any():
        time, row = wrong.nonzero()[0].tolist()
        raise WrongStep(f"env {row} gave a reward of {rewards[time, row]:g}: nothing can be learned from it")


def _check_constants(steps: Transition, policy: MemoryPolicy) -> None:
    """Refuse steps [T, B] within an episode that changed what is declared to be constant over it."""
    for key in policy.constant_keys:
        shown = cast(tuple[Tensor, ...], steps.observation)[policy.leaf_of(key)].unsqueeze(-1).flatten(2)
        changed = (shown[1:] != shown[:-1]).any(2) & ~steps.episode_start[1:]
        if changed.any():
            row = int(changed.nonzero()[0, 1])
            raise WrongStep(f"env {row} changed '{key}' within an episode, but constant_keys names it")
