"""Arrays, numbers and tensors that stand as attributes of an object, by name: written, and put back where they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, as_tensor

from engram.envs.state.plain.reading import with_keys
from engram.envs.state.plain.writing import Plain

Places = Mapping[str, tuple[Any, str]]
"""Objects and the names of their attributes, by the names under which they are written."""


def written_places(places: Places) -> dict[str, Plain]:
    """Return what stands in some places, as arrays; numbers have no axis."""
    return {name: _array(getattr(owner, attribute)) for name, (owner, attribute) in places.items()}


def put_back(places: Places, plain: Any) -> None:
    """Put back what `written_places` returned, each as what stands there now.

    Raises:
        ValueError: if it is not of the same names, types and shapes.
    """
    arrays = with_keys(plain, tuple(places))
    for name, (owner, attribute) in places.items():
        array, present = arrays[name], getattr(owner, attribute)
        form = _array(present)
        if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (form.dtype, form.shape):
            raise ValueError(f"{name} has to be an array of {form.dtype} {form.shape}")
    for name, (owner, attribute) in places.items():
        _put(owner, attribute, arrays[name])


def _put(owner: Any, attribute: str, array: npt.NDArray[Any]) -> None:
    present = getattr(owner, attribute)
    if isinstance(present, Tensor):
        present.copy_(as_tensor(array))  # the same tensor, which a CUDA graph may read
    elif isinstance(present, np.ndarray | np.generic):
        setattr(owner, attribute, array.copy() if array.ndim else array[()])
    else:
        setattr(owner, attribute, array.item())


def _array(value: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.array(value.cpu().numpy() if isinstance(value, Tensor) else value)
    return array
