"""Plain data: what a file may hold, as JSON and tensors beside it.

Everything that carries state over a rollout is written as a tree of dictionaries, lists, numbers, texts, arrays and
tensors. JSON has no arrays, and no numbers that are not finite: in their place stands an object with the key `$`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | NDArray[Any] | Tensor | None"
"""What can be written: tuples are written, too, and come back as lists."""

MARK = "$"
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_json(value: Any, tensors: dict[str, Tensor], where: str = "") -> Any:
    """Return the JSON of plain data; arrays and tensors are put into `tensors`, on the CPU, and stand there by name.

    Args:
        value: plain data.
        tensors: name -> tensor, contiguous; it is added to.
        where: what `value` is, for errors.

    Raises:
        ValueError: if something is no plain data.
    """
    match value:
        case None | bool() | str():
            return value
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            number = float(value)
            return number if math.isfinite(number) else {MARK: "number", "is": str(number)}
        case np.bool_():
            return bool(value)
        case Tensor():
            return {MARK: "tensor", **_kept(value.detach().cpu(), tensors)}
        case np.ndarray() if value.dtype.kind in "biuf":
            return {MARK: "array", **_kept(torch.from_numpy(np.require(value, requirements="W")), tensors)}
        case list() | tuple():
            return [to_json(each, tensors, f"{where}[{index}]") for index, each in enumerate(value)]
        case Mapping():
            for key in value:
                if not isinstance(key, str) or key == MARK:
                    raise ValueError(f"{where or 'the data'} has a key {key!r}, which cannot be written")
            return {key: to_json(each, tensors, f"{where}.{key}" if where else key) for key, each in value.items()}
    raise ValueError(f"{where or 'the data'} is of {type(value).__name__}, which is no plain data")


def from_json(value: Any, tensors: Mapping[str, Tensor]) -> Plain:
    """Return the plain data that `to_json` wrote.

    Raises:
        ValueError: if it names tensors that there are not, or an object that is none of those written.
    """
    if isinstance(value, list):
        return [from_json(each, tensors) for each in value]
    if not isinstance(value, dict):
        return cast(Plain, value)
    if MARK not in value:
        return {key: from_json(each, tensors) for key, each in value.items()}
    kind = value[MARK]
    if kind == "number" and isinstance(value.get("is"), str) and value["is"] in _NOT_FINITE:
        return _NOT_FINITE[value["is"]]
    if kind in ("array", "tensor"):
        tensor = _found(value, tensors)
        return tensor.numpy() if kind == "array" else tensor
    raise ValueError(f"an object is marked {kind!r:.60}, which nothing is that was written")


def _kept(tensor: Tensor, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Keep a tensor under a new name; how it lies in memory is noted, since kernels compute by it to the last bit.

    One that is kept already under another name is not kept again.
    """
    strides = tensor.stride()
    axes = sorted(range(tensor.dim()), key=lambda axis: (-strides[axis], axis))
    lies_in_order = axes == list(range(tensor.dim())) or tensor.is_contiguous()
    lying = (tensor if lies_in_order else tensor.permute(axes)).contiguous()
    name = next((known for known, kept in tensors.items() if _is_same(kept, lying)), str(len(tensors)))
    tensors[name] = lying
    return {"name": name} if lies_in_order else {"name": name, "axes": axes}


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() != 0 and one.shape == other.shape and one.dtype == other.dtype


def _found(value: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Tensor:
    name, axes = value.get("name"), value.get("axes")
    if not isinstance(name, str) or name not in tensors:
        raise ValueError(f"there is no tensor {name!r:.60}")
    tensor = tensors[name]
    if axes is None:
        return tensor
    if not isinstance(axes, list) or sorted(map(str, axes)) != sorted(map(str, range(tensor.dim()))):
        raise ValueError(f"the axes {axes!r:.60} are not those of a tensor of shape {tuple(tensor.shape)}")
    back = [axes.index(axis) for axis in range(tensor.dim())]
    return tensor.permute(back)
