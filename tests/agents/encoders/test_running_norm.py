"""Vectors are normalized by all that was seen, and by the same from a rollout's start to the end of its update."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from staggered import Staggered, agent, replay_error, rollouts, vec_env

from engram.agents import MemoryPPO
from engram.agents.encoder import ObservationEncoder
from engram.agents.encoders.running_norm import RunningNorm

FAR = spaces.Dict({"speed": spaces.Box(-1e4, 1e4, (4,)), "mode": spaces.Discrete(3)})


class Far(Staggered):
    """Its numbers are large, and one is always the same."""

    def __init__(self, row=0, action_space=None):
        super().__init__(row, FAR)

    def observe(self):
        rng = np.random.default_rng(self.row + 10 * self.episode + 1000 * self.time)
        speed = np.array([*(5000 + 300 * rng.standard_normal(3)), 7.0], np.float32)
        return {"speed": speed, "mode": np.int64(self.time % 3)}


def normalized(**kwargs):
    return agent(vec_env(env=Far), encoder_kwargs={"features_dim": 11, "normalize": True}, **kwargs)


def test_the_statistics_are_those_of_all_that_was_seen():
    torch.manual_seed(3)
    parts = [torch.randn(rows, 5) * torch.tensor([1, 100, 0, 3, 1e-3]) + 40 for rows in (7, 1, 300)]
    norm, together = RunningNorm(5), torch.cat(parts).double()
    assert torch.equal(norm(parts[0].clamp(-9, 9)), parts[0].clamp(-9, 9)), "before anything was seen"
    for part in parts:
        norm.observe(part)
    assert torch.allclose(norm.mean.double(), together.mean(0), rtol=1e-5)
    assert torch.allclose(norm.variance.double(), together.var(0, correction=0), rtol=1e-3, atol=1e-9)
    seen = norm(torch.cat(parts))
    assert seen.mean(0).abs().max() < 1e-2
    assert seen[:, [0, 1, 3]].std(0).sub(1).abs().max() < 0.02
    assert torch.equal(norm.scale[2], torch.tensor(1.0))
    assert norm(torch.full((1, 5), 1e9)).abs().max() == 10


def test_only_vectors_are_normalized():
    space = spaces.Dict(
        {"a": spaces.Box(-1, 1, (4,)), "b": spaces.Discrete(3), "c": spaces.Box(0, 5, (3, 3, 2), np.uint8)}
    )
    encoder = ObservationEncoder(space, 11, normalize=True)
    assert [any(isinstance(module, RunningNorm) for module in part.modules()) for part in encoder.parts] == [
        True,
        False,
        False,
    ]
    assert not any(isinstance(module, RunningNorm) for module in ObservationEncoder(space, 11).modules())


@pytest.mark.parametrize("memory", ["episodic", "dnc", "transformer"])
def test_what_is_learned_from_is_what_was_acted_on(memory):
    model = normalized(memory=memory)
    for number in range(3):
        rollouts(model)
        size = max(1.0, model.chunks.steps.values.abs().max().item())
        assert replay_error(model) <= 1e-5 * size
        norm = model.policy.features_extractor.parts[1][1]
        assert norm.count == 45 * number
        model.train()
    assert 4900 < norm.mean[0] < 5100
    assert 200 < norm.variance[0].sqrt() < 400


def test_they_are_saved_with_the_agent(tmp_path):
    model = normalized()
    model.learn(45)
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", device="cpu")
    one, other = (one.policy.features_extractor.parts[1][1] for one in (model, loaded))
    assert torch.equal(one.mean, other.mean)
    assert one.count == other.count > 0
