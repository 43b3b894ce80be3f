"""A step that would have spoiled the weights is kept, can be worked out again, and its first wrong tensor is named."""

import pytest
import torch
from small import STEPS_OF_A_ROLLOUT, generous, small

from engram.agents.learning.failing import replayed
from engram.agents.learning.lesson import prepare
from engram.agents.learning.update import WrongUpdate
from engram.storage import read_archive, write_archive


def spoiled(model):
    """What an update says and keeps that cannot be made."""
    with pytest.raises(WrongUpdate) as caught:
        model.learn(3 * STEPS_OF_A_ROLLOUT)
    return str(caught.value).rpartition("the first that is not finite: ")[2], caught.value.step


class Inverse(torch.autograd.Function):
    """Finite on the way there, and not on the way back."""

    @staticmethod
    def forward(context, values):
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient / 0.0


def wrong_output(module, inputs, output):
    return output.log() - output.log()


def wrong_gradient(module, inputs, output):
    return Inverse.apply(output)


def test_it_is_worked_out_once_more_by_another_agent_from_a_file(tmp_path):
    said, step = spoiled(generous(10))
    assert said == "the loss value [], 1 of 1"
    with (tmp_path / "step.zip").open("wb") as file:
        write_archive(file, "step", step)
    other = generous(1000)
    other.learn(STEPS_OF_A_ROLLOUT)
    events, lesson = prepare(other.policy, other.chunks)
    assert replayed(other.policy, events, lesson, read_archive(tmp_path / "step.zip", "step")) == said
    for name, kept in step["weights"].items():
        assert torch.equal(other.policy.state_dict()[name], kept)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [(wrong_output, "the output of reward_head"), (wrong_gradient, "the gradient of reward_head.")],
)
def test_the_module_is_named_where_it_goes_wrong(wrong, line):
    model = small()
    model.policy.reward_head.register_forward_hook(wrong)
    said, _ = spoiled(model)
    assert said.startswith(line)
    assert all(not module._forward_hooks for module in model.policy.core.modules()), "it goes on watching"


def test_a_step_of_another_agent_is_refused():
    _, step = spoiled(generous(10))
    other = small(memory="none", memory_kwargs={})
    other.learn(STEPS_OF_A_ROLLOUT)
    with pytest.raises(ValueError, match="the weights have other names"):
        replayed(other.policy, *prepare(other.policy, other.chunks), step)
