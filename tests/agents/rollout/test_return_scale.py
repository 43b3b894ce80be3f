"""One currency: what is learned from is in units of the largest return, what is reported is the env's own."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small import STEPS_OF_A_ROLLOUT, small, weights
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import Staggered, vec_env

from engram.agents import MemoryPPO
from engram.envs import TensorVecEnv, make_tensor_env

FACTORS = [2.0**-40, 2.0**-5, 2.0**7, 2.0**40]
ROLLOUTS = 4


class Paying(Staggered):
    """Pays so many times as much, also below zero."""

    def __init__(self, row, factor=1.0):
        super().__init__(row)
        self.factor = factor

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, self.factor * (reward - 0.7), *rest


def by_arrays(factor):
    return vec_env(env=Paying, factor=factor)


def by_tensors(factor):
    env = TensorVecEnv(make_tensor_env("Engram-TMaze-v0", n_envs=7, seed=3, kwargs={"delay": (1, 4), "penalty": 0.375}))
    step = env.env.step

    def paying(actions):
        taken = step(actions)
        return taken._replace(rewards=factor * taken.rewards)

    env.env.step = paying
    return env


def learned(env, **kwargs):
    model = small(env, clip_range_vf=0.3, vf_coef=2.0, novelty_coef=0.3, **kwargs)
    return model.learn(ROLLOUTS * model.n_steps * env.num_envs)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("envs", [by_arrays, by_tensors])
def test_rewards_times_a_power_of_two_give_equal_weights_to_the_last_bit(envs, factor):
    ours, plain = learned(envs(factor)), learned(envs(1.0))
    assert torch.equal(weights(ours), weights(plain))
    assert ours.largest_return == factor * plain.largest_return > 0
    assert torch.equal(ours.chunks.steps.rewards, factor * plain.chunks.steps.rewards)  # those of the env are kept


@pytest.mark.parametrize("envs", [by_arrays, by_tensors])
def test_one_key_turns_it_off(envs):
    ours, plain = (learned(envs(factor), normalize_returns=False) for factor in (2.0**7, 1.0))
    assert not torch.equal(weights(ours), weights(plain))
    assert ours.return_scale == plain.return_scale == 1.0
    on = learned(envs(2.0**7))
    on.normalize_returns = False
    assert on.return_scale == 1.0 < on.largest_return


class Logged(BaseCallback):
    """Keeps what was logged last under each name."""

    def _init_callback(self):
        self.names = {}

    def _on_rollout_start(self):
        self.names |= self.logger.name_to_value

    _on_rollout_end = _on_rollout_start

    def _on_step(self):
        return True


class Rarely(gym.Env):
    """Pays once, at the end of an episode of so many steps; what is seen comes again and again."""

    observation_space, action_space = spaces.Box(-1, 1, (4,), np.float32), spaces.Discrete(3)

    def __init__(self, pay=1.0, length=37):
        self.pay, self.length = pay, length

    def seen(self):
        return np.cos(self.time % 3 * np.arange(1, 5), dtype=np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.seen(), {}

    def step(self, action):
        self.time += 1
        over = self.time == self.length
        return self.seen(), self.pay * over, over, False, {}


def rare(**kwargs):
    return DummyVecEnv([lambda: Monitor(Rarely(**kwargs))] * 2)


def learned_at(pay, model):
    """Learn on for a while from envs that pay so much now; return the model."""
    for env in model.env.envs:
        env.unwrapped.pay = pay
    return model.learn(20, reset_num_timesteps=False)


@pytest.mark.parametrize("pay", [0.02, 1.0, -100.0])
def test_a_reward_that_is_rare_is_worth_one(pay):
    model = small(rare(pay=pay), gamma=0.0, gae_lambda=0.0, novelty_coef=0.0, n_steps=15)
    for _ in range(6):
        model.learn(30, reset_num_timesteps=False)
        worth = np.where(model.chunks.steps.terminated, np.sign(pay), 0.0)
        np.testing.assert_allclose(model.chunks.returns, worth, atol=1e-6)
    assert model.return_scale == pytest.approx(abs(pay))


def test_the_scale_never_shrinks_and_is_one_until_a_return_differs_from_zero():
    model = small(rare(length=25))
    scales = [learned_at(pay, model).return_scale for pay in [0.5] * 3 + [0.125] * 3 + [2.0] * 3]
    assert scales == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 2.0, 2.0]


@pytest.mark.parametrize("normalize_returns", [True, False])
def test_without_any_reward_it_learns_from_the_bonus_alone(normalize_returns):
    def after(**kwargs):
        return weights(small(rare(pay=0.0), **kwargs).learn(60))

    assert torch.isfinite(after()).all()
    assert torch.equal(after(), after(normalize_returns=normalize_returns))
    assert not torch.equal(after(), after(novelty_coef=0.0))


def test_what_is_logged_is_the_envs_own():
    model, logged = small(rare(pay=-100.0, length=5)), Logged()
    model.learn(80, logged)
    assert {info["r"] for info in model.ep_info_buffer} == {-100.0}
    assert logged.names["rollout/return_scale"] == 100.0
    assert logged.names["train/value_loss"] < 5.0
    assert model.rollout_buffer.rewards.min() == -100.0


def test_a_loaded_agent_goes_on_as_one_that_was_never_stopped(tmp_path):
    model = small(rare(pay=8.0, length=10)).learn(60)  # episodes end with the rollout
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", env=rare(length=10), device="cpu")
    assert loaded.return_scale == model.return_scale == 8.0
    for one in (loaded, model):
        torch.manual_seed(5)
        learned_at(1.0, one)
    assert torch.equal(weights(loaded), weights(model))


def test_values_and_the_rest_of_a_rollout_are_in_one_currency():
    """A value is what follows in units of the scale: an agent that has learned it predicts 1 at the end."""
    model = small(rare(pay=100.0, length=3), learning_rate=0.01, novelty_coef=0.0, gamma=1.0)
    model.learn(100 * STEPS_OF_A_ROLLOUT)
    assert np.allclose(model.rollout_buffer.values, 1.0, atol=0.2)
