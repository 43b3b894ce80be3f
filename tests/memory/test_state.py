"""State trees, and the one reset."""

from typing import NamedTuple

import pytest
import torch

from engram.memory import reset, tree_map
from engram.memory.state import any_episode_start, broadcast_like, concatenate, leaves, stack


class Inner(NamedTuple):
    number: torch.Tensor
    flag: torch.Tensor


class Outer(NamedTuple):
    inner: Inner
    rest: tuple
    nothing: tuple


def tree(batch=3):
    numbers = torch.arange(batch * 5.0).view(batch, 5)
    inner = Inner(torch.arange(batch), torch.ones(batch, 2, 7, dtype=torch.bool))
    return Outer(inner, (numbers, numbers.to(torch.uint8)), ())


def test_a_map_keeps_the_structure():
    doubled = tree_map(lambda leaf, other: leaf + other, tree(), tree())
    assert isinstance(doubled, Outer)
    assert isinstance(doubled.inner, Inner)
    assert doubled.nothing == ()
    assert torch.equal(doubled.rest[0], 2 * tree().rest[0])


def test_trees_of_different_structure_are_refused():
    with pytest.raises(ValueError, match="zip"):
        tree_map(torch.add, (torch.ones(1), torch.ones(1)), (torch.ones(1),))


def test_leaves_come_from_left_to_right():
    assert [tuple(leaf.shape) for leaf in leaves(tree())] == [(3,), (3, 2, 7), (3, 5), (3, 5)]


def test_stacking_and_concatenating_go_leaf_by_leaf():
    assert [tuple(leaf.shape) for leaf in leaves(stack([tree(), tree()], dim=1))][1] == (3, 2, 2, 7)
    joined = concatenate([tree(3), tree(2)])
    assert isinstance(joined, Outer)
    assert torch.equal(joined.inner.number, torch.tensor([0, 1, 2, 0, 1]))


def test_a_mask_is_broadcast_over_the_axes_that_it_lacks():
    assert broadcast_like(torch.ones(3, 2), torch.ones(3, 2, 7, 5)).shape == (3, 2, 1, 1)


def test_a_reset_selects_rows_of_every_leaf():
    state = tree()
    initial = tree_map(lambda leaf: torch.full_like(leaf, 9) if leaf.dtype != torch.bool else ~leaf, state)
    after = reset(state, initial, torch.tensor([False, True, False]))
    for kept, new, result in zip(leaves(state), leaves(initial), leaves(after), strict=True):
        assert torch.equal(result[[0, 2]], kept[[0, 2]])
        assert torch.equal(result[1], new[1])
        assert result.dtype == kept.dtype


def test_a_reset_ends_a_nan_in_values_and_gradients():
    state = torch.tensor([[torch.nan, torch.inf], [1.0, 2.0]], requires_grad=True)
    initial = torch.zeros(2, 2, requires_grad=True)
    after = reset(state, initial, torch.tensor([True, False]))
    assert after.tolist() == [[0.0, 0.0], [1.0, 2.0]]
    after.square().sum().backward()
    assert state.grad.tolist() == [[0.0, 0.0], [2.0, 4.0]]


def test_a_learned_initial_state_gets_the_gradient_of_the_rows_that_start():
    initial = torch.ones(5, requires_grad=True)
    after = reset(torch.zeros(3, 5), initial.expand(3, 5), torch.tensor([True, False, True]))
    after.sum().backward()
    assert initial.grad.tolist() == [2.0] * 5


def test_it_is_asked_once_where_episodes_may_start_and_for_a_single_step_on_a_device_not_at_all():
    starts = torch.tensor([[False, False, True], [False, False, False]])
    assert any_episode_start(starts) == [True, False]
    assert any_episode_start(starts[1:]) == [False]
    assert any_episode_start(torch.zeros(1, 3, dtype=torch.bool, device="meta")) == [True]  # to ask would be an error
