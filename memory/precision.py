"""Addressing in full precision, whatever autocast does to the layers around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def full_precision(like: Tensor) -> AbstractContextManager[None]:
    """Return a context without autocast on the device of `like`; it costs nothing where autocast is off.

    Softmax over many slots, products over usages and sums over thousands of steps do not survive bf16.
    """
    kind = like.device.type
    if torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def in_full_precision(backward: Callable[..., Result]) -> Callable[..., Result]:
    """Let a written-out backward pass compute without autocast, also where `backward()` is called inside of it."""

    @wraps(backward)
    def wrapped(ctx: Any, *gradients: Tensor) -> Result:
        with full_precision(gradients[0]):
            return backward(ctx, *gradients)

    return wrapped
