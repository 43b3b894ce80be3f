"""What is kept once all slots are taken: what the learned gate ranks highest, or a rule that learns nothing."""

from __future__ import annotations

import torch
from torch import Tensor

KEEP = ("gate", "newest", "oldest", "random")
_MIX = -7046029254386353131  # 2^64 / golden ratio, odd
_BITS = 24
"""Of a random number: a float holds as many."""


def importance(keep: str, log_gates: Tensor, event_hashes: Tensor, births: Tensor) -> Tensor:
    """Rank events: when all slots are taken, the event of the lowest rank makes way for one of a higher.

    The rules that learn nothing are controls of the gate. "newest" is first in, first out; "oldest" keeps the events
    that filled the slots; "random" draws a number for every event, so that what is kept is a sample of all events so
    far, each as likely as any other (Vitter 1985).

    Args:
        keep: one of `KEEP`.
        log_gates: [...] float, logarithms of the gates.
        event_hashes: [...] int64.
        births: [...] int64, numbers of the steps at which the events happened, below 2^24.

    Returns:
        [...] as `log_gates`.
    """
    if keep == "gate":
        return log_gates
    if keep == "random":
        mixed: Tensor = (event_hashes ^ (births * _MIX)) * _MIX
        return torch.bitwise_and(mixed >> (63 - _BITS), 2**_BITS - 1).to(log_gates.dtype)
    return (births if keep == "newest" else -births).to(log_gates.dtype)
