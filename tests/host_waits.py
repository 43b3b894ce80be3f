"""Counts on a CPU what would make the host wait for a GPU."""

from collections import Counter
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount"),
    *("_unique2", "unique_dim", "unique_consecutive"),
}
FETCHES = {Tensor.tolist, Tensor.numpy, Tensor.cpu, torch.repeat_interleave, Tensor.repeat_interleave}
"""What reads from the device without calling one of them on a CPU; of repetitions, the length of the result."""
BY_MASK = {"index", "index_put", "index_put_"}


class Operations(TorchDispatchMode):
    """Counts the operations whose result the host has to know, also those of the backward pass."""

    def __init__(self, counted):
        super().__init__()
        self.counted = counted

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        by_mask = name in BY_MASK and any(i is not None and i.dtype == torch.bool for i in args[1])
        self.counted[name] += name in WAITS or by_mask
        return operation(*args, **(kwargs or {}))


class Fetches(TorchFunctionMode):
    """Counts the functions that hand tensors over to the host."""

    def __init__(self, counted):
        super().__init__()
        self.counted = counted

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.counted[getattr(function, "__name__", "")] += function in FETCHES
        return function(*args, **(kwargs or {}))


@contextmanager
def counted_reads():
    """Count the reads from the device, by name."""
    counted = Counter()
    with Operations(counted), Fetches(counted):
        yield counted
