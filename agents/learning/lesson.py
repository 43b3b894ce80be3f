"""What there is to learn from a rollout, prepared for all passes over it, and the loss of a part of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.agents.learning.losses import PPOLoss, clipped_values, normalized, ppo_loss
from engram.agents.learning.numbers import UpdateNumbers
from engram.agents.policy import MemoryPolicy
from engram.agents.ranks import ALONE, Ranks
from engram.agents.rollout.buffer import ChunkBuffer
from engram.memory import Replay, State, tree_map


class Lesson(NamedTuple):
    """A rollout cut into P chunks of L steps, prepared for all passes over it."""

    replay: Replay  # leaves [P, ...]
    actions: Tensor  # [P, L] or [P, L, A]
    action_masks: State  # [P, L, A] bool, or () without masks
    numbers: Tensor  # [P, L, 5] log-probability and value as they were collected, advantage, return, reward
    reset_only: State  # [P, L] bool, steps that are left out of the loss; () if there are no such


def prepare(policy: MemoryPolicy, buffer: ChunkBuffer) -> tuple[State, Lesson]:
    """Return the different events of a rollout, leaves [E, ...], and the lesson."""
    steps = tree_map(buffer.chunked, buffer.steps)
    targets = map(buffer.chunked, (buffer.advantages, buffer.returns, buffer.rewards))
    masks = policy.masks_of(steps.observation) if isinstance(steps.action_masks, tuple) else steps.action_masks
    events, replay = policy.plan(steps.observation, steps.actions, buffer.states, steps.episode_start, steps.decisions)
    lesson = Lesson(
        replay,
        steps.actions.transpose(0, 1),
        () if masks is None else masks.transpose(0, 1),
        torch.stack([steps.log_probs, steps.values, *targets], dim=2).transpose(0, 1),
        tree_map(lambda leaf: leaf.transpose(0, 1), steps.reset_only),
    )
    return events, tree_map(torch.Tensor.contiguous, lesson)


def loss_of(
    policy: MemoryPolicy,
    events: State,
    chunks: Lesson,
    numbers: UpdateNumbers,
    reward_coef: float,
    ranks: Ranks = ALONE,
) -> PPOLoss:
    """Return the loss of a minibatch, this process's part of that of all.

    Args:
        policy: the agent.
        events: the different ones of the rollout, leaves [E, ...].
        chunks: M rows of the lesson.
        numbers: of PPO.
        reward_coef: weight of predicting rewards, in place of that of `numbers`.
        ranks: the processes that share the minibatch.
    """
    masks = None if isinstance(chunks.action_masks, tuple) else chunks.action_masks.transpose(0, 1)
    now = policy.evaluate(events, chunks.replay, chunks.actions.transpose(0, 1), masks, numbers.recall_coef > 0)
    of_steps = [*now[:4], *chunks.numbers.permute(2, 1, 0)]
    if not isinstance(chunks.reset_only, tuple):
        of_steps = [part[~chunks.reset_only.t()] for part in of_steps]
    values, log_probs, entropies, predicted, old_log_probs, old_values, advantages, returns, rewards = of_steps
    if numbers.normalize_advantage:
        advantages = normalized(advantages, ranks)
    loss = ppo_loss(
        log_probs,
        clipped_values(values, old_values, numbers.clip_range_vf),
        entropies,
        predicted,
        old_log_probs,
        advantages,
        returns,
        rewards,
        numbers.clip_range,
        numbers.ent_coef,
        numbers.vf_coef,
        reward_coef,
    )
    if isinstance(now.recall, Tensor):
        loss = loss._replace(total=loss.total + numbers.recall_coef * now.recall, recall=now.recall.detach())
    if ranks.is_alone:
        return loss
    share = ranks.share(log_probs.numel())
    return tree_map(lambda term: term * share, loss)
