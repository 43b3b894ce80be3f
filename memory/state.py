"""State trees: what a recurrent module remembers between two steps, and the one place where it is reset.

A `State` is a tensor or a (named) tuple of States. Every leaf has the batch `B` on axis 0; structure, shapes and dtypes
never change over a step. Modules hold parameters only: state goes in and comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

from engram.memory.exporting import at_hand

State: TypeAlias = "Tensor | tuple[State, ...]"
Tree = TypeVar("Tree", bound=Any)


def tree_map(function: Callable[..., Tensor], tree: Tree, *others: Any) -> Tree:
    """Apply `function` leaf by leaf to trees of equal structure and return the tree of its results."""
    if isinstance(tree, Tensor):
        return cast(Tree, function(tree, *others))
    mapped = [tree_map(function, *leaves) for leaves in zip(tree, *others, strict=True)]
    return cast(Tree, type(tree)(*mapped) if hasattr(tree, "_fields") else tuple(mapped))


def leaves(tree: State) -> Iterator[Tensor]:
    """Yield the tensors of a tree from left to right."""
    if isinstance(tree, Tensor):
        yield tree
    else:
        for branch in tree:
            yield from leaves(branch)


def stack(trees: Sequence[Tree], dim: int = 0) -> Tree:
    """Stack trees of equal structure along a new axis of every leaf."""
    return tree_map(lambda *tensors: torch.stack(tensors, dim), trees[0], *trees[1:])


def concatenate(trees: Sequence[Tree], dim: int = 0) -> Tree:
    """Concatenate trees of equal structure along an axis of every leaf."""
    return tree_map(lambda *tensors: torch.cat(tensors, dim), trees[0], *trees[1:])


def broadcast_like(mask: Tensor, leaf: Tensor) -> Tensor:
    """View a mask of shape [B] (or [B, N], ...) so that it broadcasts over the remaining axes of `leaf`."""
    return mask.reshape(mask.shape + (1,) * (leaf.dim() - mask.dim()))


def reset(state: Tree, initial_state: Tree, episode_start: Tensor) -> Tree:
    """Return `initial_state` in the rows where an episode starts and `state` in the others.

    The one reset of the program. It selects; it never multiplies by `1 - done`, which would keep a NaN alive and
    make a learned initial state impossible.

    Args:
        state: tree with leaves [B, ...].
        initial_state: tree of the same structure and shapes.
        episode_start: [B] bool, true before the first step of an episode.
    """
    return tree_map(
        lambda kept, initial: torch.where(broadcast_like(episode_start, kept), initial, kept), state, initial_state
    )


def any_episode_start(episode_starts: Tensor) -> list[bool]:
    """Return for each step whether an episode may start there in any row, so that other steps need no reset.

    Read once for a whole sequence, because the host waits for a GPU each time; for a single step the reset is cheaper.

    Args:
        episode_starts: [T, B] bool.
    """
    if len(episode_starts) == 1 and not at_hand(episode_starts):
        return [True]
    starts: list[bool] = episode_starts.any(1).tolist()
    return starts
