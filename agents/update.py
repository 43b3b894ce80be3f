"""Learning from a rollout: passes over minibatches of chunks, one step of the optimizer for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from stable_baselines3.common.utils import explained_variance
from torch import nn

from engram.agents.buffer import ChunkBuffer
from engram.agents.losses import PPOLoss, clipped_values, normalized, ppo_loss
from engram.agents.policy import MemoryPolicy
from engram.memory import tree_map


class UpdateNumbers(NamedTuple):
    """What an update depends on beside the rollout; the schedules have their values of now."""

    n_epochs: int
    batch_size: int  # transitions
    clip_range: float
    clip_range_vf: float | None
    ent_coef: float
    vf_coef: float
    normalize_advantage: bool
    max_grad_norm: float
    target_kl: float | None


def update(policy: MemoryPolicy, buffer: ChunkBuffer, numbers: UpdateNumbers) -> tuple[list[PPOLoss], int]:
    """Train the policy on a rollout.

    Args:
        policy: its optimizer takes the steps.
        buffer: the rollout, with its targets.
        numbers: of PPO.

    Returns:
        the loss of every minibatch, without gradient, and how many passes were completed: fewer than `n_epochs` if the
        policy moved further than `target_kl` allows.
    """
    losses: list[PPOLoss] = []
    for epoch in range(numbers.n_epochs):
        for chunk in buffer.minibatches(numbers.batch_size):
            steps = chunk.steps
            masks = None if isinstance(steps.action_masks, tuple) else steps.action_masks
            now = policy.evaluate_chunk(
                steps.observation, steps.actions, chunk.state, steps.episode_start, steps.decisions, masks
            )
            loss = ppo_loss(
                now.log_probs,
                clipped_values(now.values, steps.values, numbers.clip_range_vf),
                now.entropies,
                steps.log_probs,
                normalized(chunk.advantages) if numbers.normalize_advantage else chunk.advantages,
                chunk.returns,
                numbers.clip_range,
                numbers.ent_coef,
                numbers.vf_coef,
            )
            losses.append(loss._replace(total=loss.total.detach()))
            if numbers.target_kl is not None and loss.approx_kl.item() > 1.5 * numbers.target_kl:
                return losses, epoch
            policy.optimizer.zero_grad()
            loss.total.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), numbers.max_grad_norm)
            policy.optimizer.step()
    return losses, numbers.n_epochs


def metrics(losses: Sequence[PPOLoss], buffer: ChunkBuffer) -> dict[str, float]:
    """Return what is logged of an update, under Stable-Baselines3's names: means over its minibatches."""
    means = tree_map(lambda *parts: torch.stack(parts).mean(), losses[0], *losses[1:])
    values, returns = (tensor.flatten().cpu().numpy() for tensor in (buffer.steps.values, buffer.returns))
    return {
        "entropy_loss": means.entropy.item(),
        "policy_gradient_loss": means.policy.item(),
        "value_loss": means.value.item(),
        "approx_kl": means.approx_kl.item(),
        "clip_fraction": means.clip_fraction.item(),
        "loss": means.total.item(),
        "explained_variance": float(explained_variance(values, returns)),
    }
