"""Agents that learn from a handful of steps, for tests of what surrounds learning."""

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import ROWS, Staggered, controller_sizes, vec_env

from engram.agents import MemoryPPO

SMALL = {
    "n_steps": 10,
    "batch_size": 15,
    "chunk_length": 5,
    "n_epochs": 2,
    "seed": 3,
    "device": "cpu",
    "memory_kwargs": {"slots": 4, "heads": 2},
    "controller_kwargs": {"hidden_size": 7},
    "policy_kwargs": {"features_dim": 11},
}
STEPS_OF_A_ROLLOUT = 10 * ROWS


def small(env=None, **kwargs):
    sizes = controller_sizes(kwargs.get("controller"))
    return MemoryPPO("MemoryPolicy", env or vec_env(), **{**SMALL, "controller_kwargs": sizes, **kwargs})


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])


def monitored(rows=ROWS, **kwargs):
    return DummyVecEnv([lambda row=row: Monitor(Staggered(row, **kwargs)) for row in range(rows)])


def predictions(model, observations):
    """Deterministic actions along a sequence, with the state carried."""
    state, actions = None, []
    for observation in observations:
        action, state = model.predict(observation, state, deterministic=True)
        actions.append(action)
    return np.array(actions)


def observed(steps=7, rows=ROWS):
    return np.random.default_rng(1).normal(size=(steps, rows, 4)).astype(np.float32)


class Logged(BaseCallback):
    def _init_callback(self):
        self.names = {}

    def _on_rollout_start(self):
        self.names |= self.logger.name_to_value  # what `train` logged is dumped after the next rollout

    def _on_step(self):
        return True


class Generous(gym.Wrapper):
    """Pays too much to be squared in single precision, from some step on."""

    def __init__(self, env, after):
        super().__init__(env)
        self.left = after

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        self.left -= 1
        return observation, reward if self.left >= 0 else 1e30, *rest


def generous(after):
    env = DummyVecEnv([lambda row=row: Generous(Staggered(row), after) for row in range(3)])
    return small(env, normalize_returns=False, novelty_coef=0.0)
