"""Addressing in full precision, whatever autocast does to the layers around it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[None]:
    """Return a context without autocast on the device of `like`; it costs nothing where autocast is off.

    Softmax over many slots, products over usages and sums over thousands of steps do not survive bf16.
    """
    kind = like.device.type
    if torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()
