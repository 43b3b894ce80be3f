"""A memory by itself, without a core, and what is asked of its values."""

import torch

from engram.memory.feedback.fused_step import fused_step
from engram.memory.state import leaves


def standing_alone(memory, hidden_size, kwargs):
    """A sequential memory, which needs neither events nor an encoder."""
    return memory(torch.nn.Identity(), torch.zeros(1, 1), 1, hidden_size, **kwargs)


def finite(tree):
    return all(torch.isfinite(leaf).all() for leaf in leaves(tree))


def gradients_of(output, wanted):
    """Gradients of a sum of squares; zeros where nothing leads."""
    return torch.autograd.grad(output.square().sum(), wanted, allow_unused=True, materialize_grads=True)


def assert_written_out(memory, said, state, tolerance, decided=None):
    """The step of `memory.fused` is that of `plain_step`, and its gradients are autograd's."""
    inputs = [tensor.detach().requires_grad_() for tensor in (said, *state)]

    def outcome(step):
        after, choice = step(inputs[0], type(state)(*inputs[1:]), decided)
        torch.manual_seed(5)
        loss = sum((result * torch.randn_like(result)).sum() for result in after)
        return [*after, *torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)], choice

    fused, choice = outcome(lambda *arguments: fused_step(memory.fused, *arguments))
    plain, plain_choice = outcome(memory.plain_step)
    for one, other in zip(fused, plain, strict=True):
        assert torch.allclose(one, other, atol=tolerance, rtol=tolerance)
    assert (choice is None and plain_choice is None) or torch.equal(choice, plain_choice)
    assert all(gradient.abs().max() > 0 for gradient in fused[len(state) : len(state) + 2])
