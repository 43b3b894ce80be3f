"""Which tensor is the first that is not finite, on the way from a minibatch to its loss, or back to the weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from engram.agents.learning.losses import PPOLoss


def first_wrong(policy: nn.Module, loss_again: Callable[[], PPOLoss]) -> str:
    """Work a loss and its gradient out once more, and name the first tensor on the way that is not finite.

    Gradients of the policy are gone afterwards.

    Args:
        policy: the agent, with the weights before the step.
        loss_again: works the loss out.
    """
    found: list[str] = []

    def note(what: str, values: Tensor) -> None:
        if not found and not bool((finite := values.detach().isfinite()).all()):
            found.append(f"{what} [{', '.join(map(str, values.shape))}], {int((~finite).sum())} of {values.numel()}")

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def passed(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.is_floating_point():
                note(f"the output of {name}", output)
                if output.requires_grad:
                    output.register_hook(lambda gradient: note(f"the gradient of the output of {name}", gradient))

        return passed

    with ExitStack() as watching, torch.enable_grad():
        for name, weights in policy.named_parameters():
            note(f"the weights {name}", weights)
            if weights.requires_grad:
                hook = partial(note, f"the gradient of {name}")
                watching.callback(weights.register_hook(hook).remove)
        for name, module in policy.named_modules():
            if name:
                handle = module.register_forward_hook(watch(name))
                watching.callback(handle.remove)
        loss = loss_again()
        for term, value in loss._asdict().items():
            if isinstance(value, Tensor) and term != "total":
                note(f"the loss {term}", value)
        note("the loss", loss.total)
        policy.zero_grad()
        loss.total.backward()
    policy.zero_grad()
    return found[0] if found else "none, when it is worked out once more"
