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


def in_full_precision(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let a method whose first argument is a tensor compute without autocast.

    Backward passes need it, too, because `backward()` may be called where autocast is on.
    """

    @wraps(method)
    def wrapped(owner: Any, first: Tensor, *others: Any) -> Result:
        with full_precision(first):
            return method(owner, first, *others)

    return wrapped
