"""Agents on a GPU: `make test-gpu`."""

import numpy as np
import pytest
import torch
from small import STEPS_OF_A_ROLLOUT, observed, small, weights
from staggered import OBSERVATIONS, agent, collect_one, replay_error, vec_env

from engram.agents import MemoryPPO
from engram.memory import CONTROLLERS, MEMORIES

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    ("controller", "memory"), [*(("lstm", name) for name in MEMORIES), *((name, "none") for name in CONTROLLERS)]
)
def test_what_is_recomputed_equals_what_was_collected(controller, memory, gpu):
    model = agent(controller=controller, memory=memory, memory_kwargs={}, device=gpu)
    for _ in range(3):
        collect_one(model)
        assert replay_error(model) <= 1e-4
        model.train()


@pytest.mark.parametrize("observations", OBSERVATIONS)
def test_for_every_kind_of_observation(observations, gpu):
    model = agent(vec_env(observation_space=OBSERVATIONS[observations]), device=gpu)
    for _ in range(2):
        collect_one(model)
        # Convolutions may use TF32 there, and others for few than for many pictures.
        assert replay_error(model) <= (1e-2 if observations in ("image", "dict") else 1e-4)
        model.train()


def test_it_is_taken_where_there_is_one(gpu):
    assert small(device="auto").device.type == gpu.type


@pytest.mark.parametrize("memory", MEMORIES)
def test_what_learned_there_can_be_used_here(memory, gpu, tmp_path):
    model = small(memory=memory, memory_kwargs={}, device=gpu)
    before = weights(model)
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    assert (weights(model) - before).abs().max() > 1e-4
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", env=vec_env(), device="cpu")
    assert torch.equal(weights(loaded), weights(model).cpu())
    assert np.allclose(values(loaded), values(model), atol=1e-4)
    loaded.learn(STEPS_OF_A_ROLLOUT, reset_num_timesteps=False)


@torch.no_grad()
def values(model):
    """What the agent says along a sequence, with the state carried."""
    observations, told = observed(), []
    state = model.policy.initial_state(observations.shape[1])
    starts = torch.zeros(observations.shape[1], dtype=torch.bool, device=model.device)
    for observation in observations:
        step = model.policy.act(torch.as_tensor(observation, device=model.device), state, starts, deterministic=True)
        state = step.state
        told.append(step.values.cpu())
    return torch.stack(told).numpy()
