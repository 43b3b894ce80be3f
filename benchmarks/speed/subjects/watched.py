"""Where an iteration of any agent spends something: CPU time, operations, arithmetic."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from engram.agents import MemoryPPO

ENV, ACTING, COLLECTION = "env step", "acting", "rest of the collection"
FORWARD, BACKWARD, OPTIMIZER, REST = "forward", "backward", "clipping and optimizer", "rest"
PIECES = (ENV, ACTING, COLLECTION, FORWARD, BACKWARD, OPTIMIZER, REST)

Numbers = NDArray[np.float64]
Meter = Callable[[], Numbers]


def cpu_time() -> Numbers:
    """Read the seconds of CPU time of this process, [1]."""
    return np.array([time.process_time()])


class Arithmetic(TorchDispatchMode):
    """Counts what torch dispatches while it is entered.

    * operations, without views, which compute nothing;
    * views;
    * FLOPs of the matrix products, by the formulas of `torch.utils.flop_counter`. What C code of ours computes is
      dispatched by nobody; to have it counted, switch it off.

    Raises:
        RuntimeError: at an operation that must contain products, but for which there is no formula.
    """

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.operations = self.views = self.flops = 0

    def read(self) -> Numbers:
        """Read the three counters."""
        return np.array([self.operations, self.views, self.flops], dtype=np.float64)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.views += func.is_view
        self.operations += not func.is_view
        packet = func._overloadpacket
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        elif any(word in str(packet) for word in ("rnn", "lstm", "gru_", "attention", "linear", "einsum", "addmv")):
            raise RuntimeError(f"there is no formula for the products of {packet}")
        return out


class Watch:
    """Adds up what a meter shows, piece by piece.

    The forward pass ends where the backward pass begins, so that it includes the loss.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._last = meter()
        self.spent: dict[str, Numbers] = defaultdict(lambda: np.zeros_like(self._last))
        self.calls: Counter[str] = Counter()
        self._pieces = [REST]

    def charge(self) -> None:
        """Charge what the meter has moved since the last call to the piece that runs."""
        now = self.meter()
        self.spent[self._pieces[-1]] += now - self._last
        self._last = now

    def wrapped(self, function: Callable[..., Any], piece: str) -> Callable[..., Any]:
        """Return a function whose calls are charged to a piece."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.charge()
            self._pieces.append(piece)
            self.calls[piece] += 1
            try:
                return function(*args, **kwargs)
            finally:
                self.charge()
                self._pieces.pop()
                if piece in (FORWARD, BACKWARD):  # the loss comes between them
                    self._pieces[-1] = FORWARD if piece == FORWARD else REST

        return watched


@contextmanager
def watch(model: OnPolicyAlgorithm, meter: Meter = cpu_time) -> Iterator[Watch]:
    """Watch an agent while it learns: ours, or any of Stable-Baselines3's that are like its PPO."""
    policy: Any = model.policy
    act, evaluate = ("act", "evaluate") if isinstance(model, MemoryPPO) else ("forward", "evaluate_actions")
    hooks: tuple[tuple[Any, str, str], ...] = (
        (model, "collect_rollouts", COLLECTION),
        (model, "train", REST),
        (model.env, "step", ENV),
        (policy, act, ACTING),
        (policy, evaluate, FORWARD),
        (torch.Tensor, "backward", BACKWARD),
        (nn.utils, "clip_grad_norm_", OPTIMIZER),
        (policy.optimizer, "step", OPTIMIZER),
        (policy.optimizer, "zero_grad", OPTIMIZER),
    )
    watching = Watch(meter)
    with ExitStack() as patches:
        for owner, name, piece in hooks:
            patches.enter_context(mock.patch.object(owner, name, watching.wrapped(getattr(owner, name), piece)))
        yield watching
        watching.charge()
    for piece in (ENV, ACTING, FORWARD, BACKWARD, OPTIMIZER):
        if not watching.calls[piece]:
            raise RuntimeError(f"{type(model).__name__}: nothing was seen of {piece}; its method has another name now")
