"""Copies of weights, optimizers and trees of tensors as plain data, and back, checked by what stands there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.memory import tree_map
from engram.memory.state import leaves
from engram.storage import Plain

Tree = TypeVar("Tree", bound=Any)


def copies(tree: Any) -> list[Plain]:
    """Return the leaves of a tree of tensors, copied."""
    return [leaf.detach().clone() for leaf in leaves(tree)]


def like(tree: Tree, given: Any) -> Tree:
    """Return a tree of the same structure with other leaves, on the devices of its own.

    Args:
        tree: whose leaves have the right dtypes and numbers of axes.
        given: what `copies` returned.

    Raises:
        ValueError: if these are other leaves.
    """
    if not isinstance(given, Sequence) or len(given) != sum(1 for _ in leaves(tree)):
        raise ValueError("there are other tensors than those of the agent's state")
    rest = iter(given)

    def replaced(own: Tensor) -> Tensor:
        other = next(rest)
        if not isinstance(other, Tensor) or other.dtype != own.dtype or other.shape != own.shape:
            raise ValueError(f"a tensor of {_kind(own)} is expected, and {_kind(other)} is given")
        return other.to(own.device)

    return tree_map(replaced, tree)


def on_device(given: Any, device: torch.device) -> Any:
    """Return plain data with its tensors on a device."""
    if isinstance(given, Tensor):
        return given.to(device)
    if isinstance(given, list):
        return [on_device(each, device) for each in given]
    return {key: on_device(each, device) for key, each in given.items()} if isinstance(given, dict) else given


def weights_of(module: nn.Module) -> dict[str, Plain]:
    """Return parameters and buffers by name, copied."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def set_weights(module: nn.Module, given: Any) -> None:
    """Set parameters and buffers to what `weights_of` returned.

    Raises:
        ValueError: if there are others, of other shapes or dtypes, or some are not finite.
    """
    own = module.state_dict()
    if not isinstance(given, Mapping) or given.keys() != own.keys():
        raise ValueError("the weights have other names than the agent's")
    for name, value in given.items():
        if not isinstance(value, Tensor) or value.shape != own[name].shape or value.dtype != own[name].dtype:
            raise ValueError(f"{name} is {_kind(value)}, and the agent's is {_kind(own[name])}")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ValueError(f"{name} has values that are not finite")
    module.load_state_dict({**given})


def state_of(optimizer: Optimizer) -> dict[str, Plain]:
    """Return what an optimizer carries from step to step, by the number of the parameter, and its settings."""
    found = optimizer.state_dict()
    state: dict[str, Any] = {str(number): _copied(values) for number, values in found["state"].items()}
    groups: list[Any] = [
        {key: value for key, value in group.items() if key != "params"} for group in found["param_groups"]
    ]
    return {"state": state, "groups": groups}


def set_state(optimizer: Optimizer, given: Any) -> None:
    """Set an optimizer to what `state_of` returned.

    Raises:
        ValueError: if it is that of other parameters.
    """
    own = optimizer.state_dict()
    groups = [
        {**group, **{key: _as_before(group[key], value) for key, value in other.items()}}
        for group, other in zip(own["param_groups"], given["groups"], strict=True)
        if not set(other) ^ (set(group) - {"params"}) or _refuse("the optimizer has other settings")
    ]
    parameters = [weights for group in optimizer.param_groups for weights in group["params"]]
    state = {int(number): values for number, values in given["state"].items()}
    for number, values in state.items():
        for name, value in values.items():
            is_scalar = isinstance(value, Tensor) and value.dim() == 0
            if isinstance(value, Tensor) and not is_scalar and value.shape != parameters[number].shape:
                raise ValueError(f"{name} of parameter {number} is {_kind(value)}")
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _copied(values: Mapping[str, Any]) -> dict[str, Plain]:
    return {name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in values.items()}


def _as_before(own: Any, value: Any) -> Any:
    return tuple(value) if isinstance(own, tuple) else value


def _refuse(line: str) -> bool:
    raise ValueError(line)


def _kind(value: Any) -> str:
    return (
        f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else repr(value)[:40]
    )
