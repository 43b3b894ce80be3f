import pytest
import torch

from engram.memory.addressing.content import (
    content_backward,
    content_forward,
    content_weights,
    masked_content_weights,
)

BATCH, SLOTS, WORD, HEADS = 3, 7, 5, 2


def random(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def looked_up(dtype=torch.float64):
    strengths = torch.rand(BATCH, HEADS, dtype=dtype).mul(9).requires_grad_()
    return random(BATCH, SLOTS, WORD, dtype=dtype), random(BATCH, HEADS, WORD, dtype=dtype), strengths


def looked_up_by_autograd(memory, keys, strengths, mixing):
    """Weights by the definition, and the gradients of memory, keys and strengths."""
    weights = content_weights(memory, keys, strengths)
    return weights, *torch.autograd.grad((weights * mixing).sum(), (memory, keys, strengths))


@torch.no_grad()
def looked_up_by_hand(memory, keys, strengths, mixing):
    """The same by the parts of a fused step."""
    found, of_memory = content_forward(memory, keys, strengths), torch.zeros_like(memory)
    gradients = content_backward(mixing, memory, keys, strengths, found, of_memory)
    return found.weights, of_memory, *gradients


def test_it_is_the_papers_equation_one_slot_at_a_time():
    memory, keys, strengths = looked_up()
    weights = content_weights(memory, keys, strengths)
    for row in range(BATCH):
        for head in range(HEADS):
            likeness = [torch.cosine_similarity(keys[row, head], slot, dim=0) for slot in memory[row]]
            expected = (strengths[row, head] * torch.stack(likeness)).softmax(0)
            assert torch.allclose(weights[row, head], expected, atol=1e-5)


def test_the_fast_path_equals_the_definition_forward_and_backward():
    given = looked_up()
    mixing = torch.randn(BATCH, HEADS, SLOTS, dtype=torch.float64)
    naive, fused = looked_up_by_autograd(*given, mixing), looked_up_by_hand(*given, mixing)
    for one, other in zip(naive, fused, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_weights_are_on_the_simplex_and_a_strong_key_finds_its_slot():
    memory, keys, _ = looked_up()
    keys = torch.stack([memory[:, 4] * 3, memory[:, 1]], dim=1)
    weights = content_weights(memory, keys, torch.full((BATCH, HEADS), 1e3, dtype=torch.float64))
    assert torch.allclose(weights.sum(2), torch.ones(BATCH, HEADS, dtype=torch.float64))
    assert (weights >= 0).all()
    assert (weights[:, 0, 4] > 0.99).all()
    assert (weights[:, 1, 1] > 0.99).all()


def test_a_mask_of_ones_changes_nothing_and_a_mask_hides_a_part_of_the_word():
    memory, keys, strengths = looked_up()
    ones = torch.ones_like(keys)
    assert torch.allclose(
        masked_content_weights(memory, keys, strengths, ones), content_weights(memory, keys, strengths), atol=1e-9
    )
    mask = ones.detach().clone()
    mask[..., 3:] = 0.0
    part = content_weights(memory[..., :3], keys[..., :3], strengths)
    assert torch.allclose(masked_content_weights(memory, keys, strengths, mask), part, atol=1e-5)


def test_a_soft_mask_compares_masked_words():
    memory, keys, strengths = looked_up()
    masks = torch.rand_like(keys)
    weights = masked_content_weights(memory, keys, strengths, masks)
    for row in range(BATCH):
        for head in range(HEADS):
            mask, key = masks[row, head], keys[row, head]
            likeness = [torch.cosine_similarity(key * mask, slot * mask, dim=0) for slot in memory[row]]
            expected = (strengths[row, head] * torch.stack(likeness)).softmax(0)
            assert torch.allclose(weights[row, head], expected, atol=1e-4)


@pytest.mark.parametrize("look_up", [looked_up_by_autograd, looked_up_by_hand])
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_nothing_and_a_great_deal_have_finite_weights_and_gradients(look_up, size):
    memory, keys, strengths = (size * given.detach() for given in looked_up(torch.float32))
    given = [tensor.requires_grad_() for tensor in (memory, keys, strengths.abs())]
    weights, *gradients = look_up(*given, torch.randn(BATCH, HEADS, SLOTS))
    for tensor in (weights, *gradients):
        assert torch.isfinite(tensor).all()
    if size == 0.0:
        assert torch.allclose(weights, torch.full_like(weights, 1 / SLOTS))
