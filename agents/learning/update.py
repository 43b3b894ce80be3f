"""Learning from a rollout: passes over minibatches of chunks, one step of the optimizer for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from stable_baselines3.common.utils import explained_variance
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.agents.learning.losses import PPOLoss, clipped_values, normalized, ppo_loss
from engram.agents.policy import MemoryPolicy
from engram.agents.ranks import ALONE, Ranks
from engram.agents.rollout.buffer import ChunkBuffer
from engram.agents.rollout.returns import horizon
from engram.agents.settings import SCHEDULES, check_settings, number_now
from engram.memory import Replay, State, tree_map


class WrongUpdate(ValueError):
    """An update that would have spoiled the weights."""


class UpdateNumbers(NamedTuple):
    """What an update depends on beside the rollout; the schedules have their values of now."""

    n_epochs: int
    batch_size: int  # transitions
    clip_range: float
    clip_range_vf: float | None
    ent_coef: float
    vf_coef: float
    reward_coef: float
    recall_coef: float
    gamma: float
    normalize_advantage: bool
    max_grad_norm: float
    target_kl: float | None


def numbers_now(settings: Mapping[str, Any], progress: float) -> UpdateNumbers:
    """Return the numbers of an update as they are at the moment: a callback may have set them.

    Args:
        settings: the attributes of MemoryPPO.
        progress: share of the training that is left.

    Raises:
        ValueError: if one is out of range.
    """
    check_settings(settings)
    now = {name: settings[name] for name in UpdateNumbers._fields}
    for name in SCHEDULES.keys() & now.keys():
        now[name] = None if now[name] is None else number_now(name, now[name], progress)
    return UpdateNumbers(**now)


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


def update(
    policy: MemoryPolicy, buffer: ChunkBuffer, numbers: UpdateNumbers, ranks: Ranks = ALONE
) -> tuple[list[PPOLoss], int]:
    """Train the policy on a rollout.

    Args:
        policy: its optimizer takes the steps.
        buffer: the rollout, with its targets.
        numbers: of PPO; minibatches are of all processes together.
        ranks: which have rollouts of their own of the same size, and learn the same from all of them.

    Returns:
        the loss of every minibatch, without gradient, of which those of all processes are to be added up, and how many
        passes were completed: fewer than `n_epochs` if the policy moved further than `target_kl` allows.

    Raises:
        WrongUpdate: if a gradient is not finite; the weights are those before it.
    """
    losses: list[PPOLoss] = []
    norms: list[Tensor] = []
    events, lesson = prepare(policy, buffer)
    # Rewards are rare: their errors count as many times as steps add up to a return.
    reward_coef = numbers.reward_coef * horizon(numbers.gamma, len(buffer.rewards))
    for epoch in range(numbers.n_epochs):
        for chosen in buffer.order(numbers.batch_size, ranks.count):
            chunks = tree_map(lambda leaf, chosen=chosen: leaf.index_select(0, chosen), lesson)
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
            share = ranks.share(log_probs.numel())
            loss = tree_map(lambda term, share=share: term * share, loss)
            losses.append(loss._replace(total=loss.total.detach()))
            if numbers.target_kl is not None and ranks.total(loss.approx_kl).item() > 1.5 * numbers.target_kl:
                return losses, epoch
            policy.optimizer.zero_grad()
            loss.total.backward()
            ranks.add_gradients(policy.parameters())
            norm = nn.utils.clip_grad_norm_(policy.parameters(), numbers.max_grad_norm)
            norms.append(norm)
            if not norm.is_cpu:
                leave_weights_unless_finite(policy.optimizer, norm)
            elif not math.isfinite(norm.item()):
                _check_finite(norms, losses, buffer)
            policy.optimizer.step()
    if not norms[-1].is_cpu:
        _check_finite(norms, losses, buffer)
    return losses, numbers.n_epochs


def leave_weights_unless_finite(optimizer: Optimizer, norm: Tensor) -> None:
    """Let the next step of an optimizer change nothing if the norm [] of the gradient is not finite.

    Nobody waits for the answer: a fused optimizer finds it on its device. Others take the step.
    """
    if optimizer.defaults.get("fused"):
        vars(optimizer)["found_inf"] = (~norm.isfinite()).float()


def _check_finite(norms: Sequence[Tensor], losses: Sequence[PPOLoss], buffer: ChunkBuffer) -> None:
    """See that gradients are finite; one that is not would make all weights so, too.

    Raises:
        WrongUpdate: if one is not.
    """
    is_finite = torch.stack([*norms]).isfinite()
    if bool(is_finite.all()):
        return
    first = losses[int((~is_finite).nonzero()[0])]
    terms = {"policy": first.policy, "value": first.value, "predicted rewards": first.reward, "entropy": first.entropy}
    told = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
    largest = {"rewards": buffer.rewards, "returns": buffer.returns, "advantages": buffer.advantages}
    up_to = ", ".join(f"{name} up to {values.abs().max().item():.3g}" for name, values in largest.items())
    raise WrongUpdate(
        f"the gradient of an update is not finite, and the weights are left as they were before it (losses: {told}; in "
        f"this rollout {up_to})"
    )


def metrics(
    losses: Sequence[PPOLoss],
    buffer: ChunkBuffer,
    policy: MemoryPolicy,
    numbers: UpdateNumbers,
    ranks: Ranks = ALONE,
) -> dict[str, float]:
    """Return what is logged of an update, under Stable-Baselines3's names: means over its minibatches.

    The explained variance is of this process's rollout.
    """
    means = tree_map(lambda *parts: ranks.total(torch.stack(parts).mean()), losses[0], *losses[1:])
    values, returns = (tensor.flatten().cpu().numpy() for tensor in (buffer.steps.values, buffer.returns))
    of_boxes = {"std": policy.log_std.exp().mean().item()} if hasattr(policy, "log_std") else {}
    of_recall = {"recall_loss": means.recall.item()} if isinstance(means.recall, Tensor) else {}
    of_clipped = {} if numbers.clip_range_vf is None else {"clip_range_vf": numbers.clip_range_vf}
    return {
        "entropy_loss": means.entropy.item(),
        "policy_gradient_loss": means.policy.item(),
        "value_loss": means.value.item(),
        "reward_loss": means.reward.item(),
        **of_recall,
        "approx_kl": means.approx_kl.item(),
        "clip_fraction": means.clip_fraction.item(),
        "loss": means.total.item(),
        "explained_variance": float(explained_variance(values, returns)),
        **of_boxes,
        "ent_coef": numbers.ent_coef,
        "clip_range": numbers.clip_range,
        **of_clipped,
    }
