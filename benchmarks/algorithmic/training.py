"""Supervised learning of sequences with a recurrent core: the model, its error, and one training as an iterator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Generator, Tensor, nn

from benchmarks.algorithmic.tasks import Sequences
from engram.memory import Core
from engram.memory.core import CoreState

Draw: TypeAlias = Callable[[Generator, int], Sequences]  # (generator, B) -> a batch


class SequenceModel(nn.Module):
    """A core that sees the raw inputs, and a linear output layer on what it knows and recalls.

    Args:
        in_size: D_in.
        out_size: D_out.
        controller, memory, controller_kwargs, memory_kwargs: see `Core`.

    Raises:
        ValueError: if a name or an argument is unknown or a size does not fit.
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        controller: str = "lstm",
        memory: str = "none",
        controller_kwargs: dict[str, Any] | None = None,
        memory_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        event = torch.zeros(1, in_size)
        self.core = Core(nn.Identity(), event, in_size, controller, memory, controller_kwargs, memory_kwargs)
        self.output = nn.Linear(self.core.feature_size, out_size)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits [T, B, D_out] for inputs [T, B, D_in], whose rows all begin at the first step."""
        starts = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        starts[0] = True
        unrolled = self.core.unroll(inputs, self.core.initial_state(inputs.shape[1]), starts)
        logits: Tensor = self.output(unrolled.features)
        return logits

    @torch.no_grad()
    def step_by_step(self, inputs: Tensor) -> Iterator[tuple[Tensor, CoreState]]:
        """Yield the logits [B, D_out] of every step of `inputs` [T, B, D_in], and the core's state after it."""
        state, cache = self.core.initial_state(inputs.shape[1]), None
        starts = torch.ones(1, inputs.shape[1], dtype=torch.bool, device=inputs.device)
        for now in inputs.split(1):
            step = self.core.unroll(now, state, starts, cache=cache)
            state, cache, starts = step.state, step.cache, torch.zeros_like(starts)
            yield self.output(step.features[0]), state


def bit_loss(logits: Tensor, sequences: Sequences) -> Tensor:
    """Return the binary cross-entropy in nats, averaged over the scored bits; logits are [T, B, D_out]."""
    return nn.functional.binary_cross_entropy_with_logits(logits[sequences.mask], sequences.targets[sequences.mask])


def wrong_bits(logits: Tensor, sequences: Sequences) -> Tensor:
    """Return how many scored bits are wrong in a sequence [B], as the papers count; logits are [T, B, D_out]."""
    wrong = (logits > 0) != (sequences.targets > 0.5)
    return (wrong & sequences.mask.unsqueeze(2)).sum((0, 2))


class Error(NamedTuple):
    """Averages over the sequences of an evaluation."""

    wrong_bits: float  # per sequence
    scored_bits: float  # per sequence
    sequences: int


@torch.no_grad()
def evaluate(
    model: SequenceModel,
    draw: Draw,
    generator: Generator,
    sequences: int,
    batch: int,
    check: Callable[[], None] = lambda: None,
) -> Error:
    """Measure a model without gradient, in batches, so that long sequences need little memory.

    Args:
        model: it is measured on the device where its weights are.
        draw: draws a batch.
        generator: of the batches.
        sequences: how many at least; whole batches are drawn.
        batch: B.
        check: called before every batch; may raise.
    """
    device = model.output.weight.device
    wrong, scored, seen = 0, 0, 0
    while seen < sequences:
        check()
        drawn = Sequences(*(part.to(device) for part in draw(generator, batch)))
        wrong += int(wrong_bits(model(drawn.inputs), drawn).sum())
        scored += int(drawn.mask.sum()) * drawn.targets.shape[2]
        seen += batch
    return Error(wrong / seen, scored / seen, seen)


class Diverged(Exception):
    """Raised when loss or gradient is not a finite number; the weights are those before."""


def make_optimizer(name: str, model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Return Adam, AMSGrad (Reddi et al. 2018), or RMSprop with momentum 0.9, as in the papers but not centerd.

    A task solved leaves gradients near zero, so that Adam forgets how large they can be, and the next large one throws
    the weights far off; AMSGrad does not forget. RMSprop's ε is added outside of the root, where a centerd variance
    that rounding has made negative gives a NaN.

    Raises:
        ValueError: if the name is unknown.
    """
    if name in ("adam", "amsgrad"):
        return torch.optim.Adam(model.parameters(), learning_rate, amsgrad=name == "amsgrad")
    if name == "rmsprop":
        return torch.optim.RMSprop(model.parameters(), learning_rate, alpha=0.95, momentum=0.9)
    raise ValueError(f"unknown optimizer '{name}'; choose one of adam, amsgrad, rmsprop")


def train(
    model: SequenceModel,
    draw: Draw,
    generator: Generator,
    optimizer: torch.optim.Optimizer,
    batches: int,
    batch_size: int,
    clip: float,
    linear_decay: bool = False,
) -> Iterator[float]:
    """Take one optimizer step per batch and yield its loss.

    Args:
        model: is changed in place.
        draw: draws a batch.
        generator: of the batches.
        optimizer: over the model's parameters.
        batches: how many.
        batch_size: B.
        clip: largest norm of the gradient; a larger one is scaled down.
        linear_decay: whether the learning rate falls to zero over all batches.

    Raises:
        Diverged: if a loss or gradient is not finite.
    """
    device = model.output.weight.device
    rates = [group["lr"] for group in optimizer.param_groups]
    for batch in range(batches):
        if linear_decay:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * (1 - batch / batches)
        drawn = Sequences(*(part.to(device) for part in draw(generator, batch_size)))
        loss = bit_loss(model(drawn.inputs), drawn)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        if not torch.isfinite(loss + norm):
            raise Diverged(f"loss or gradient is not finite at batch {batch + 1}")
        optimizer.step()
        yield loss.item()
