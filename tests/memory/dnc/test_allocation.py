import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engram.memory.dnc.allocation import (
    allocation,
    allocation_backward,
    allocation_forward,
    free_list,
    retention,
    update_usage,
)

BATCH, SLOTS, HEADS = 3, 7, 2


def usage(seed=0):
    return torch.rand(BATCH, SLOTS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_papers_equation_one_slot_at_a_time():
    usages = usage()
    order = free_list(usages)
    for row, (u, phi) in enumerate(zip(usages.tolist(), order.tolist(), strict=True)):
        assert phi == sorted(range(SLOTS), key=lambda slot, u=u: u[slot])
        product = 1.0
        for slot in phi:
            assert abs(allocation(usages, order)[row, slot].item() - (1 - u[slot]) * product) < 1e-5
            product *= u[slot]


def test_the_fast_path_equals_the_definition_forward_and_backward():
    usages = usage().requires_grad_()
    order = free_list(usages)
    mixing = torch.randn(BATCH, SLOTS, dtype=torch.float64)
    weights, allocated = allocation(usages, order), allocation_forward(usages.detach(), order)
    (gradient,) = torch.autograd.grad((weights * mixing).sum(), usages)
    assert torch.allclose(allocated.weights, weights, atol=1e-15)
    assert torch.allclose(allocation_backward(mixing, order, allocated), gradient, atol=1e-12)


def fused_gradient(usages, order, mixing):
    return allocation_backward(mixing, order, allocation_forward(usages, order))


def naive_gradient(usages, order, mixing):
    usages.requires_grad_()
    return torch.autograd.grad((allocation(usages, order) * mixing).sum(), usages)[0]


@pytest.mark.parametrize("gradient", [naive_gradient, fused_gradient])
def test_the_gradient_survives_single_precision_where_a_slot_is_nearly_free(gradient):
    usages = usage()
    usages[:, 2] = 1e-7
    order, mixing = free_list(usages), torch.randn(BATCH, SLOTS, dtype=torch.float64)

    single, double = (
        gradient(usages.to(dtype), order, mixing.to(dtype)).double() for dtype in (torch.float32, torch.float64)
    )
    assert torch.allclose(single, double, rtol=1e-4)


@given(st.integers(0, 10_000))
def test_it_sums_to_at_most_one_and_picks_the_least_update_usage(seed):
    usages = usage(seed).clamp(min=1e-3)
    usages[0, 3] = 0.0
    weights = allocation(usages, free_list(usages))
    assert (weights >= 0).all()
    assert (weights.sum(1) <= 1 + 1e-9).all()
    assert weights[0, 3] > 1 - 1e-4
    assert weights[0].argmax() == 3


def test_a_full_memory_allocates_nothing_and_an_empty_one_the_first_slot():
    full, empty = torch.ones(1, SLOTS), torch.zeros(1, SLOTS)
    assert allocation(full, free_list(full)).abs().max() < 1e-5
    assert allocation(empty, free_list(empty))[0, 0] > 0.999


def test_slots_that_differ_by_rounding_go_by_their_number():
    tied = torch.full((1, SLOTS), 0.31001)
    noisy = tied + 1e-7 * torch.randn(1, SLOTS)
    assert free_list(tied).tolist() == free_list(noisy).tolist() == [list(range(SLOTS))]


def test_the_order_is_that_of_usages_rounded_to_a_grid():
    border = 1269.5 / 4096
    usages = torch.tensor([[border + 1e-4, border - 1e-4, border + 1e-4, border - 1e-4, 0.1]], dtype=torch.float64)
    assert free_list(usages).tolist() == [[4, 1, 3, 0, 2]]


def test_what_was_read_can_be_freed_and_what_was_written_is_update_usage():
    read_weights = torch.zeros(1, HEADS, SLOTS)
    read_weights[0, 0, 2] = read_weights[0, 1, 5] = 1.0
    kept = retention(torch.tensor([[1.0, 0.0]]), read_weights)
    expected = torch.tensor([[1.0, 1, 0, 1, 1, 1, 1]])  # only the first head frees
    assert torch.allclose(kept, expected, atol=2e-6)
    written = torch.zeros(1, SLOTS)
    written[0, 5] = 1.0
    before = torch.full((1, SLOTS), 0.5)
    assert torch.allclose(
        update_usage(before, written, kept), torch.tensor([[0.5, 0.5, 0.0, 0.5, 0.5, 1.0, 0.5]]), atol=2e-6
    )


def test_no_gradient_passes_through_the_write_weights_into_usage():
    written = torch.rand(1, SLOTS, requires_grad=True)
    assert not update_usage(torch.rand(1, SLOTS), written, torch.ones(1, SLOTS)).requires_grad
