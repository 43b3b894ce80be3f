"""Copies of trees of tensors as plain data, and back, checked by what stands there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from engram.memory import tree_map
from engram.memory.state import leaves
from engram.storage import Plain
from engram.storage.modules import kind_of

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
            raise ValueError(f"a tensor of {kind_of(own)} is expected, and {kind_of(other)} is given")
        return other.to(own.device)

    return tree_map(replaced, tree)


def on_device(given: Any, device: torch.device) -> Any:
    """Return plain data with its tensors on a device."""
    if isinstance(given, Tensor):
        return given.to(device)
    if isinstance(given, list):
        return [on_device(each, device) for each in given]
    return {key: on_device(each, device) for key, each in given.items()} if isinstance(given, dict) else given
