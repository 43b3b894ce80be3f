"""Settings are heeded or refused: those of callbacks, of `load`, and of scripts written for stock PPO."""

import io

import gymnasium as gym
import numpy as np
import pytest
import torch
from small import SMALL, small, weights
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from staggered import ROWS

from engram.agents import MemoryPPO


class Setting(BaseCallback):
    """Sets attributes of the model before each rollout, as Stable-Baselines3's maintainers advise."""

    def __init__(self, **numbers):
        super().__init__()
        self.numbers = numbers

    def _on_step(self):
        return True

    def _on_rollout_start(self):
        for name, number in self.numbers.items():
            setattr(self.model, name, number)


NUMBERS = {
    "ent_coef": 0.3,
    "clip_range": 0.01,
    "clip_range_vf": 0.01,
    "vf_coef": 0.1,
    "gamma": 0.3,
    "gae_lambda": 0.1,
    "max_grad_norm": 0.001,
    "n_epochs": 1,
    "batch_size": 30,
}


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_what_a_callback_sets_is_as_if_it_had_been_so_from_the_start(name, number):
    def learned(callback=None, **numbers):
        return weights(small(**numbers).learn(90, callback))

    told = learned(Setting(**{name: number}))
    assert torch.equal(told, learned(**{name: number}))
    assert not torch.equal(told, learned())


@pytest.mark.parametrize("seed", [2**32 - 1, 2**31])
def test_a_model_of_any_seed_can_be_loaded(seed):
    file = io.BytesIO()
    MemoryPPO("MemoryPolicy", "CartPole-v1", **{**SMALL, "seed": seed}).learn(20).save(file)
    file.seek(0)
    assert MemoryPPO.load(file, device="cpu").seed == seed


def saved(model):
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"gamma": 2}, "gamma=2 must be a number between 0 and 1"),
        ({"n_epochs": 0}, "n_epochs=0 must be a whole number of at least 1"),
        ({"precision": "fp8"}, "precision='fp8' must be one of float32, bf16"),
        ({"learning_rate": "fast"}, "learning_rate='fast' must be a number"),
        ({"memory": "dnc"}, "memory belongs to the saved agent"),
        ({"batch_size": 7}, "batch_size=7 must be a multiple of chunk_length=5"),
    ],
)
def test_load_refuses_what_the_constructor_refuses(numbers, message):
    with pytest.raises(ValueError, match=message):
        MemoryPPO.load(saved(small()), device="cpu", **numbers)


def test_stock_ppo_and_ours_refuse_each_others_agents():
    with pytest.raises(ValueError, match=r"this agent has a memory: load it by engram.MemoryPPO.load"):
        PPO.load(saved(small()), device="cpu")
    with pytest.raises(ValueError, match="an agent of ActorCriticPolicy has no memory: load it by its own algorithm"):
        MemoryPPO.load(saved(PPO("MlpPolicy", "CartPole-v1", device="cpu")), device="cpu")


def test_callbacks_find_what_stock_ppo_tells_them():
    class Reading(BaseCallback):
        told, ended = (), 0

        def _on_step(self):
            names = ("n_steps", "obs_tensor", "actions", "clipped_actions", "values", "log_probs", "new_obs", "rewards")
            self.told = {name: self.locals[name] for name in (*names, "dones", "infos", "rollout_buffer")}
            assert len(self.told["values"]) == len(self.told["log_probs"]) == len(self.told["rewards"]) == ROWS
            return True

        def _on_rollout_end(self):
            buffer = self.model.rollout_buffer
            assert buffer is self.locals["rollout_buffer"]
            assert buffer.full
            assert (buffer.buffer_size, buffer.n_envs) == (10, ROWS)
            for name in ("rewards", "values", "log_probs", "advantages", "returns", "episode_starts", "actions"):
                assert getattr(buffer, name).shape[:2] == (10, ROWS), name
            np.testing.assert_allclose(buffer.returns, buffer.advantages + buffer.values)
            assert np.array_equal(buffer.observations[-1], self.told["obs_tensor"])
            assert np.array_equal(buffer.rewards[-1], self.told["rewards"].astype(np.float32))
            self.ended += 1

    model, callback = small(), Reading()
    assert not model.rollout_buffer.full
    model.learn(90, callback)
    assert callback.ended == 3
    assert callback.told["n_steps"] == 9


@pytest.mark.parametrize("memory", ["episodic", "dnc", "ntm", "fast_weight", "transformer", "none"])
def test_bf16_learns(memory):
    def learned(precision):
        sizes = {"memory": memory, "memory_kwargs": {}, "precision": precision}
        model = small(**sizes).learn(90)
        assert torch.isfinite(weights(model)).all()
        assert all(parameter.dtype == torch.float32 for parameter in model.policy.parameters())
        return weights(model)

    half, full = learned("bf16"), learned("float32")
    assert not torch.equal(half, full)
    assert torch.allclose(half, full, atol=0.05)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_learning_under_an_autocast_of_the_users_own(kind):
    with torch.autocast("cpu", dtype=kind):
        model = MemoryPPO("MemoryPolicy", gym.make("CartPole-v1"), **SMALL).learn(40)
    assert torch.isfinite(weights(model)).all()
