"""Weights and optimizers as plain data, and back, checked by those that stand there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from engram.storage.plain import Plain


def weights_of(module: nn.Module) -> dict[str, Plain]:
    """Return parameters and buffers by name, copied; what has several names is one copy."""
    copies: dict[int, Tensor] = {}
    found = module.state_dict(keep_vars=True)
    return {name: copies.setdefault(id(value), value.detach().clone()) for name, value in found.items()}


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
            raise ValueError(f"{name} is {kind_of(value)}, and the agent's is {kind_of(own[name])}")
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
                raise ValueError(f"{name} of parameter {number} is {kind_of(value)}")
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _copied(values: Mapping[str, Any]) -> dict[str, Plain]:
    return {name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in values.items()}


def _as_before(own: Any, value: Any) -> Any:
    return tuple(value) if isinstance(own, tuple) else value


def _refuse(line: str) -> bool:
    raise ValueError(line)


def kind_of(value: Any) -> str:
    """Return what kind of tensor something is, for errors."""
    return (
        f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else repr(value)[:40]
    )
