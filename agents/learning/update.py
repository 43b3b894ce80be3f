"""Learning from a rollout: passes over minibatches of chunks, one step of the optimizer for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NoReturn

import torch
from stable_baselines3.common.utils import explained_variance
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.agents.learning.failing import kept
from engram.agents.learning.first_wrong import first_wrong
from engram.agents.learning.lesson import loss_of, prepare
from engram.agents.learning.losses import PPOLoss
from engram.agents.learning.numbers import UpdateNumbers
from engram.agents.policy import MemoryPolicy
from engram.agents.ranks import ALONE, Ranks
from engram.agents.rollout.buffer import ChunkBuffer
from engram.agents.rollout.returns import horizon
from engram.memory import tree_map
from engram.storage import Plain


class WrongUpdate(ValueError):
    """An update that would have spoiled the weights.

    Args:
        line: what is wrong.
        step: the minibatch, and the weights and the optimizer before the step, see `failing.kept`.
    """

    def __init__(self, line: str, step: dict[str, Plain]) -> None:
        super().__init__(line)
        self.step = step


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
    taken: list[Tensor] = []
    events, lesson = prepare(policy, buffer)
    # Rewards are rare: their errors count as many times as steps add up to a return.
    reward_coef = numbers.reward_coef * horizon(numbers.gamma, len(buffer.rewards))

    def refuse(number: int) -> NoReturn:
        chunks = tree_map(lambda leaf: leaf.index_select(0, taken[number]), lesson)
        wrong = first_wrong(policy, lambda: loss_of(policy, events, chunks, numbers, reward_coef))
        raise WrongUpdate(
            f"{_told(losses[number], buffer)}; the first that is not finite: {wrong}",
            kept(policy, events, chunks, numbers, reward_coef),
        )

    for epoch in range(numbers.n_epochs):
        for chosen in buffer.order(numbers.batch_size, ranks.count):
            chunks = tree_map(lambda leaf, chosen=chosen: leaf.index_select(0, chosen), lesson)
            loss = loss_of(policy, events, chunks, numbers, reward_coef, ranks)
            losses.append(loss._replace(total=loss.total.detach()))
            if numbers.target_kl is not None and ranks.total(loss.approx_kl).item() > 1.5 * numbers.target_kl:
                return losses, epoch
            policy.optimizer.zero_grad()
            loss.total.backward()
            ranks.add_gradients(policy.parameters())
            norm = nn.utils.clip_grad_norm_(policy.parameters(), numbers.max_grad_norm)
            norms.append(norm)
            taken.append(chosen)
            if not norm.is_cpu:
                leave_weights_unless_finite(policy.optimizer, norm)
            elif not math.isfinite(norm.item()):
                refuse(len(norms) - 1)
            policy.optimizer.step()
    if not norms[-1].is_cpu and not bool((finite := torch.stack(norms).isfinite()).all()):
        refuse(int((~finite).nonzero()[0]))
    return losses, numbers.n_epochs


def leave_weights_unless_finite(optimizer: Optimizer, norm: Tensor) -> None:
    """Let the next step of an optimizer change nothing if the norm [] of the gradient is not finite.

    Nobody waits for the answer: a fused optimizer finds it on its device. Others take the step.
    """
    if optimizer.defaults.get("fused"):
        vars(optimizer)["found_inf"] = (~norm.isfinite()).float()


def _told(loss: PPOLoss, buffer: ChunkBuffer) -> str:
    """Say in a line that a gradient is not finite, and how large what it comes from is."""
    terms = {"policy": loss.policy, "value": loss.value, "predicted rewards": loss.reward, "entropy": loss.entropy}
    told = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
    largest = {"rewards": buffer.rewards, "returns": buffer.returns, "advantages": buffer.advantages}
    up_to = ", ".join(f"{name} up to {values.abs().max().item():.3g}" for name, values in largest.items())
    return (
        "the gradient of an update is not finite, and the weights are left as they were before it (losses: "
        f"{told}; in this rollout {up_to})"
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
