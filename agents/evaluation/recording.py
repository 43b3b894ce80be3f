"""One episode, recorded with everything that is needed to explain its actions afterwards."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from engram.agents.policy import MemoryPolicy
from engram.agents.rollout.questions import env_action_masks, layout_of, other_cue, reset_infos, success_of
from engram.agents.spaces import observation_tree
from engram.agents.steps import AgentState
from engram.memory import SlotAccess, State, tree_map


class RecordedStep(NamedTuple):
    """One step of one env."""

    observation: State  # leaves [1, ...]
    raw_observation: Any  # the observation as the env returned it, without the axis of envs
    mask: Tensor | None  # [1, A] bool, the actions allowed
    action: Tensor  # [1] or [1, A], as the distribution gave it
    probabilities: NDArray[np.float32] | None  # [A] of a single discrete action, else None
    value: float  # in the env's own rewards
    reward: float
    cue: bool | None  # whether the cue is in sight; None if the env does not report it
    # `raw_observation` with the other cue in place of its own; None if no cue is in sight, or the env does not know it
    other_cue: Any | None
    decisions: State  # [1, ...] the memory's decisions
    access: SlotAccess | None  # None for a memory without slots
    world: NDArray[np.uint8] | None  # the whole scene, if the env can draw it


class Recording(NamedTuple):
    """An episode."""

    start: AgentState  # the state before its first step, leaves [1, ...]
    steps: list[RecordedStep]
    success: bool | None  # None if the env does not report it
    layout: str
    finished: bool  # False if it was cut at `most_steps`
    return_scale: float = 1.0  # what a value of 1 that the policy returns is in the env's own rewards
    space: Any = None  # of the env's observations, which can put them into words; that of a loaded agent cannot

    @property
    def episode_return(self) -> float:
        """Sum of the rewards."""
        return sum(step.reward for step in self.steps)


@torch.no_grad()
def record(
    policy: MemoryPolicy, env: VecEnv, most_steps: int, deterministic: bool = True, return_scale: float = 1.0
) -> Recording:
    """Play one episode from a reset on.

    Args:
        policy: the agent.
        env: a single env.
        most_steps: after which it is cut.
        deterministic: take the most likely actions instead of sampling.
        return_scale: of the agent, see `MemoryPPO.return_scale`.

    Raises:
        ValueError: if there are several envs.
    """
    if env.num_envs != 1:
        raise ValueError(f"an episode is recorded in one env, not in {env.num_envs}")
    policy.set_training_mode(False)
    device = policy.device
    observations: Any = env.reset()
    start = state = policy.initial_state(1)
    info: dict[str, Any] = reset_infos(env)[0]
    steps: list[RecordedStep] = []
    done, success = False, None
    while not done and len(steps) < most_steps:
        world = _scene(env)
        allowed = env_action_masks(env)
        mask = None if allowed is None else torch.as_tensor(allowed, device=device)
        tensors, _ = policy.obs_to_tensor(observations)
        observation = observation_tree(tensors, policy.observation_space, device)
        starting = torch.tensor([not steps], device=device)
        events, unrolled = policy.unroll_step(observation, state, starting)
        features = unrolled.features[0]
        distribution = policy.distribution(features, observation, mask)
        action = distribution.get_actions(deterministic=deterministic)
        access = policy.core.access(events, state.core, starting.unsqueeze(0), unrolled)
        raw, cue = _first(observations), info.get("cue_visible")
        other = other_cue(env, 0, raw) if cue else None
        observations, rewards, dones, infos = env.step(policy.env_actions(action))
        info, done = infos[0], bool(dones[0])
        steps.append(
            RecordedStep(
                observation,
                raw,
                mask,
                action,
                distribution.distribution.probs[0].cpu().numpy()
                if isinstance(distribution, CategoricalDistribution)
                else None,
                return_scale * float(policy.value(features)),
                float(rewards[0]),
                None if cue is None else bool(cue),
                other,
                tree_map(lambda leaf: leaf[0], unrolled.decisions),
                access,
                world,
            )
        )
        state = AgentState(unrolled.state, policy.stored_action.store(action))
        success = success if (told := success_of(info)) is None else told
    return Recording(start, steps, success, layout_of(info), done, return_scale, env.observation_space)


def _first(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: value[0].copy() for key, value in observations.items()}
    return observations[0].copy()


def _scene(env: VecEnv) -> NDArray[np.uint8] | None:
    """Draw the whole scene if the env is a grid world; None for other envs."""
    envs = getattr(env.unwrapped, "envs", None)
    draw = getattr(envs[0].unwrapped, "get_frame", None) if envs else None
    return None if draw is None else cast(NDArray[np.uint8], draw(highlight=True, tile_size=12))
