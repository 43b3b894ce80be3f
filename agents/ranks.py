"""The processes that train one agent together, synchronously: each plays envs of its own, and all learn the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from engram.memory import State, tree_map

PATIENCE = timedelta(hours=12)
"""How long one process waits for another, which may be validating. One that has died is noticed at once."""


class RankLost(RuntimeError):
    """Another process of the training has ended, or cannot be reached any more."""


class Ranks:
    """Data-parallel training on `torch.distributed` (gloo on a CPU, nccl on a GPU), as seen by one of its processes.

    Every method but the properties is collective: all processes have to call it, in the same order. What is returned is
    bit for bit the same in all of them.

    Args:
        index: which of the processes this one is; the first, 0, is the one that writes and validates.
        count: how many there are; of 1 nothing is exchanged.
    """

    def __init__(self, index: int = 0, count: int = 1) -> None:
        self.index, self.count = index, count

    @classmethod
    def join(cls) -> Ranks:
        """Meet the other processes, by the variables of the environment that `torchrun` sets.

        Raises:
            RankLost: if they cannot be met.
        """
        with _reaching():
            if not distributed.is_initialized():
                backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
                distributed.init_process_group(backend, timeout=PATIENCE)
            return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def is_alone(self) -> bool:
        """Whether there is but one process."""
        return self.count == 1

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.is_alone:
            return values
        summed = values.clone()
        with _reaching():
            distributed.all_reduce(summed)
        return summed

    def largest(self, number: float) -> float:
        """Return the largest of a number over all processes."""
        if self.is_alone:
            return number
        found = torch.tensor(number, dtype=torch.float64)
        with _reaching():
            distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return found.item()

    def share(self, size: int) -> float:
        """Return the share of this process in the sum of a size over all processes; 1 of nothing."""
        if self.is_alone:
            return 1.0
        whole = self.total(torch.tensor(float(size), dtype=torch.float64)).item()
        return size / whole if whole else 1.0

    def all_agree(self, agrees: bool) -> bool:
        """Return whether all processes agree."""
        return agrees if self.is_alone else not self.largest(float(not agrees))

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their sums over all processes, in one exchange."""
        if self.is_alone:
            return
        learning = [weights for weights in parameters if weights.requires_grad]
        gradients = [torch.zeros_like(weights) if weights.grad is None else weights.grad for weights in learning]
        summed = self.total(parameters_to_vector(gradients))
        vector_to_parameters(summed, gradients)
        for weights, gradient in zip(learning, gradients, strict=True):
            if weights.grad is None and bool(gradient.any()):  # it counts elsewhere
                weights.grad = gradient

    def rows_of_all(self, tree: State) -> State:
        """Return leaves [X, B, ...] with the rows of all processes, [X, B · count, ...], in their order."""
        return tree if self.is_alone else tree_map(self._rows, tree)

    def _rows(self, leaf: Tensor) -> Tensor:
        sent = leaf.contiguous().flatten().view(torch.uint8)  # which every backend can send
        received = [torch.empty_like(sent) for _ in range(self.count)]
        with _reaching():
            distributed.all_gather(received, sent)
        return torch.cat([each.view(leaf.dtype).view(leaf.shape) for each in received], dim=1)

    def own_rows(self, of_all: Tensor) -> Tensor:
        """Return of [X, B · count, ...] the rows [X, B, ...] of this process."""
        return of_all if self.is_alone else of_all.unflatten(1, (self.count, -1))[:, self.index]

    def told(self, something: Any) -> list[Any]:
        """Return what each process has to tell, in their order. It is pickled."""
        if self.is_alone:
            return [something]
        heard: list[Any] = [None] * self.count
        with _reaching():
            distributed.all_gather_object(heard, something)
        return heard

    def told_to_first(self, something: Any) -> list[Any]:
        """Return what each process has to tell to the first of them, and nothing to the others. It is pickled."""
        if self.is_alone:
            return [something]
        heard: list[Any] | None = None if self.index else [None] * self.count
        with _reaching():
            distributed.gather_object(something, heard)
        return heard or []

    def take_from_first(self, module: nn.Module) -> None:
        """Give a module the weights and buffers that it has in the first process."""
        if self.is_alone:
            return
        with _reaching(), torch.no_grad():
            for weights in module.state_dict().values():
                distributed.broadcast(weights, 0)


def are_several() -> bool:
    """Return whether this process was started as one of several, as `torchrun` does."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def is_first() -> bool:
    """Return whether this process speaks for all."""
    return not are_several() or os.environ.get("RANK", "0") == "0"


ALONE = Ranks()
"""One process that trains by itself."""


@contextmanager
def _reaching() -> Iterator[None]:
    """Tell what goes wrong between processes in one line."""
    try:
        yield
    except RuntimeError as error:  # DistError is one, too; a closed connection is a bare one
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise RankLost(f"another process of this training has ended or cannot be reached ({reason:.200})") from error
    except ValueError as error:  # a variable of the environment that is missing or wrong
        raise RankLost(f"the processes of this training cannot meet: {' '.join(str(error).split()):.200}") from error
