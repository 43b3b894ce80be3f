"""An agent takes any env, by its id or as `gym.make` makes it."""

import gymnasium as gym
import pytest
import torch
from minigrid.wrappers import RGBImgPartialObsWrapper
from small import weights

from engram.agents import MemoryPPO
from engram.envs import make_env
from engram.envs.wrappers.words import Words

SIZES = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "seed": 0, "device": "cpu"}


def agent(env):
    return MemoryPPO("MemoryPolicy", env, **SIZES)


@pytest.mark.parametrize(
    "env_id", ["Engram-RoomS11-v0", "MiniGrid-GoToDoor-5x5-v0", "BabyAI-GoToLocal-v0", "Engram-TMaze-v0", "CartPole-v1"]
)
def test_an_id_an_env_and_the_factory_give_the_same_agent(env_id):
    agents = [agent(env).learn(32) for env in (env_id, gym.make(env_id), make_env(env_id))]
    for other in agents[1:]:
        assert other.observation_space == agents[0].observation_space
        assert torch.equal(weights(other), weights(agents[0]))


def test_a_mission_is_constant_over_an_episode():
    model = agent("BabyAI-GoToLocal-v0")
    assert model.policy.constant_keys == ("mission",)
    assert isinstance(model.observation_space["mission"], Words)
    assert model.policy.core.memory.initial_state(3).log.events.observation[1].shape == (3, 1, 72)


def test_pictures_of_a_minigrid_are_pictures():
    model = agent(RGBImgPartialObsWrapper(gym.make("MiniGrid-Fetch-5x5-N2-v0"), tile_size=4))
    assert model.observation_space["image"].shape == (3, 28, 28)
    model.learn(16)


def test_another_env_at_loading_is_shown_the_same_way(tmp_path):
    model = agent("MiniGrid-GoToDoor-5x5-v0")
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", gym.make("MiniGrid-GoToDoor-5x5-v0"), device="cpu")
    loaded.learn(16)
    loaded.set_env(gym.make("MiniGrid-GoToDoor-5x5-v0"))
    loaded.learn(16)


def test_an_id_that_does_not_exist_is_named_with_its_like():
    with pytest.raises(ValueError, match="registered as 'Engram-Room11-v0': did you mean Engram-RoomS11-v0"):
        agent("Engram-Room11-v0")
