"""A step that would have spoiled the weights, kept as plain data, and worked out once more from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor

from engram.agents.learning.first_wrong import first_wrong
from engram.agents.learning.lesson import Lesson, loss_of
from engram.agents.learning.numbers import UpdateNumbers
from engram.agents.policy import MemoryPolicy
from engram.memory import State, tree_map
from engram.memory.state import leaves
from engram.storage import Plain
from engram.storage.modules import set_weights, state_of, weights_of

Tree = TypeVar("Tree", bound=Any)


def kept(
    policy: MemoryPolicy, events: State, chunks: Lesson, numbers: UpdateNumbers, reward_coef: float
) -> dict[str, Plain]:
    """Return the minibatch, and the weights and the optimizer before the step; arguments as for `loss_of`."""
    return {
        "events": [*leaves(events)],
        "chunks": [*leaves(chunks)],
        "numbers": numbers._asdict(),
        "reward_coef": reward_coef,
        "weights": weights_of(policy),
        "optimizer": state_of(policy.optimizer),
    }


def replayed(policy: MemoryPolicy, events: State, chunks: Lesson, step: Mapping[str, Any]) -> str:
    """Work a step that was kept out once more, and name the first tensor that is not finite.

    Args:
        policy: an agent of the same kind, which gets the weights.
        events, chunks: of any rollout of it.
        step: what `kept` returned.

    Raises:
        ValueError: if it is of another kind of agent.
    """
    set_weights(policy, step["weights"])
    events, chunks = _filled(events, step["events"]), _filled(chunks, step["chunks"])
    numbers, reward_coef = UpdateNumbers(**step["numbers"]), float(step["reward_coef"])
    return first_wrong(policy, lambda: loss_of(policy, events, chunks, numbers, reward_coef))


def _filled(tree: Tree, given: Any) -> Tree:
    """Return a tree of the same structure with other leaves, of which only the last axes have to be as they were."""
    if not isinstance(given, Sequence) or len(given) != sum(1 for _ in leaves(tree)):
        raise ValueError("it has other tensors than this agent's minibatches")
    rest = iter(given)

    def replaced(own: Tensor) -> Tensor:
        other = next(rest)
        if not isinstance(other, Tensor) or other.dtype != own.dtype or other.dim() != own.dim():
            raise ValueError("it has other tensors than this agent's minibatches")
        return other.to(own.device)

    return tree_map(replaced, tree)
