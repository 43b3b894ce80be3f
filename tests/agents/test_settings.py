"""Settings are heeded or refused: those of callbacks, of `load`, and of scripts written for stock PPO."""

import io
import re

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
    "learning_rate": 1e-5,
    "ent_coef": 0.3,
    "clip_range": 0.01,
    "clip_range_vf": 0.01,
    "vf_coef": 0.1,
    "reward_coef": 7.0,
    "gamma": 0.3,
    "gae_lambda": 0.1,
    "max_grad_norm": 0.001,
    "n_epochs": 1,
    "batch_size": 30,
    "target_kl": 1e-9,
    "normalize_advantage": False,
    "normalize_returns": False,
}


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_what_a_callback_sets_is_as_if_it_had_been_so_from_the_start(name, number):
    def learned(callback=None, **numbers):
        return weights(small(**numbers).learn(90, callback))

    told = learned(Setting(**{name: number}))
    assert torch.equal(told, learned(**{name: number}))
    assert not torch.equal(told, learned())


def test_chunks_are_as_long_as_a_callback_sets_them():
    model = small()
    told = weights(model.learn(90, Setting(chunk_length=2, batch_size=16)))
    assert model.chunks.chunk_length == 2
    assert torch.equal(told, weights(small(chunk_length=2, batch_size=16).learn(90)))


def test_a_schedule_of_the_learning_rate_that_a_callback_sets_is_kept():
    model = small()
    model.learn(90, Setting(lr_schedule=lambda progress: 1e-7))
    assert model.policy.optimizer.param_groups[0]["lr"] == 1e-7


class Later(Setting):
    """Sets them after a rollout instead, when the loss is worked out next."""

    def _on_rollout_start(self):
        pass

    def _on_rollout_end(self):
        super()._on_rollout_start()


WRONG = {
    "gamma": (2, None, "a", float("nan")),
    "gae_lambda": (-1, None),
    "vf_coef": (None, float("inf"), "a"),
    "reward_coef": (-1, None, float("inf"), "a"),
    "recall_coef": (-1, None, float("inf"), "a"),
    "max_grad_norm": (None, -1),
    "ent_coef": (None, "auto", float("inf"), float("nan")),
    "learning_rate": (None, -1, float("nan")),
    "clip_range": (None, -0.1, float("inf")),
    "clip_range_vf": (-1, "a"),
    "target_kl": (-1,),
    "n_epochs": (0, 1.5, None),
    "novelty_coef": (-1, None, float("inf")),
    "novelty_fraction": (0, None),
    "normalize_returns": ("yes", None),
    "normalize_advantage": (3,),
    "precision": ("fp8",),
    "batch_size": (33, 0, 1.5),
    "seed": (1.5, "a"),
}
EACH_WRONG = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), EACH_WRONG)
def test_a_wrong_setting_is_refused_by_whomever_it_was_set(name, value):
    line = rf"^{name}={value!r} must be [^\n]*$"
    with pytest.raises(ValueError, match=line):
        small(**{name: value})
    with pytest.raises(ValueError, match=line):
        MemoryPPO.load(saved(small()), device="cpu", **{name: value})
    for callback in (Setting, Later):
        model = small()
        before = weights(model)
        with pytest.raises(ValueError, match=line):
            model.learn(30, callback(**{name: value}))
        assert torch.equal(weights(model), before)


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.tensor])
@pytest.mark.parametrize("name", ["learning_rate", "clip_range", "clip_range_vf", "ent_coef"])
def test_numbers_of_numpy_and_torch_are_numbers(name, kind):
    number = kind(0.125)
    expected = weights(small(**{name: 0.125}).learn(30))
    assert torch.equal(weights(small(**{name: number}).learn(30)), expected)
    assert torch.equal(weights(small().learn(30, Setting(**{name: number}))), expected)


@pytest.mark.parametrize("name", ["learning_rate", "clip_range", "ent_coef"])
def test_a_schedule_that_leaves_the_range_is_named(name):
    with pytest.raises(ValueError, match=rf"^{name}=nan must be .*; so its schedule has it with 0.\d+ of the training"):
        small(**{name: lambda progress: 0.1 if progress == 1 else float("nan")}).learn(90)


@pytest.mark.parametrize("seed", [np.int64(5), np.uint32(2**32 - 1)])
def test_seeds_of_numpy_are_those_of_python(seed):
    assert torch.equal(weights(small(seed=seed)), weights(small(seed=int(seed))))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("n_epoch", "MemoryPPO has no argument 'n_epoch'; did you mean 'n_epochs'?"),
        ("gama", "MemoryPPO has no argument 'gama'; did you mean 'gamma'?"),
        ("learning_rate_", "did you mean 'learning_rate'?"),
        ("foo", "MemoryPPO has no argument 'foo'; its arguments are: batch_size, "),
        ("features_dim", "features_dim belongs to the saved agent and cannot be changed by load; leave it out"),
    ],
)
def test_load_knows_the_names_of_settings(name, line):
    with pytest.raises(ValueError, match=re.escape(line)):
        MemoryPPO.load(saved(small()), device="cpu", **{name: 3})


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


def test_an_agent_of_stock_ppo_is_refused():
    with pytest.raises(
        ValueError, match=r"^the file: a model in Stable-Baselines3's own format, with pickles, which exec"
    ):
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
