"""A memory by itself, without a core, and what is asked of its values."""

import torch

from engram.memory.state import leaves


def standing_alone(memory, hidden_size, kwargs):
    """A feedback memory, which needs neither events nor an encoder."""
    return memory(torch.nn.Identity(), torch.zeros(1, 1), 1, hidden_size, **kwargs)


def finite(tree):
    return all(torch.isfinite(leaf).all() for leaf in leaves(tree))


def gradients_of(output, wanted):
    """Gradients of a sum of squares; zeros where nothing leads."""
    return torch.autograd.grad(output.square().sum(), wanted, allow_unused=True, materialize_grads=True)


def take(memory, hidden, state, decision=None):
    """A step of a memory that does not use the encoded event, by its fast path if there is one."""
    return memory.take_step(hidden, hidden[:, :0], state, decision)


def assert_fused_equals_naive(memory, hidden, state, tolerance, decision=None):
    """The fused step is that of the definition, and its gradients are autograd's."""
    inputs = [tensor.detach().requires_grad_() for tensor in (hidden, *state)]

    def outcome(step):
        after, trace, made = step(inputs[0], hidden[:, :0], type(state)(*inputs[1:]), decision)
        torch.manual_seed(5)
        loss = sum((result * torch.randn_like(result)).sum() for result in after)
        wanted = [*inputs, *memory.parameters()]
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        return [*after, *trace.values(), *gradients], gradients, made

    assert memory.fused is not None
    fused, gradients, made = outcome(memory.take_step)
    naive, _, naive_made = outcome(memory.step)
    for one, other in zip(fused, naive, strict=True):
        assert torch.allclose(one, other, atol=tolerance, rtol=tolerance)
    assert (made is None and naive_made is None) or torch.equal(made, naive_made)
    assert all(gradient.abs().max() > 0 for gradient in gradients[:2])
