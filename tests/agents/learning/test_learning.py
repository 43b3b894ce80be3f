"""A tiny task that only memory can solve: those with a memory learn it, the memoryless control cannot."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.evidence.statistics import wilson_interval

ENVS, CUES = 16, 3


class MemoryOutput(gym.Env):
    """Shows one of three cues, then noise; at the end the cue is to be named.

    Until then only one action is allowed: otherwise an agent could carry the cue in what it does, step by step.
    """

    observation_space, action_space = spaces.Box(0, 1, (CUES + 2,), np.float32), spaces.Discrete(CUES)
    delay = 6

    def observe(self):
        observation = np.zeros(CUES + 2, np.float32)
        if self.time == 0:
            observation[self.cue] = 1.0
        observation[CUES] = self.time == self.delay
        observation[CUES + 1] = self.np_random.random()
        return observation

    def action_masks(self):
        return np.ones(CUES, dtype=bool) if self.time == self.delay else np.arange(CUES) == 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.cue = 0, int(self.np_random.integers(CUES))
        return self.observe(), {}

    def step(self, action):
        over = self.time == self.delay
        right = over and int(action) == self.cue
        self.time += 1
        return self.observe(), float(right), over, False, {"is_success": right} if over else {}


def learned(controller, memory, steps):
    """Train until the task is solved twice in a row, for one update may still undo it, or for so many steps."""
    model = MemoryPPO(
        "MemoryPolicy",
        DummyVecEnv([MemoryOutput] * ENVS),
        memory=memory,
        controller=controller,
        memory_kwargs={"slots": 8, "heads": 2, "key_size": 16, "value_size": 16} if memory == "episodic" else None,
        controller_kwargs={"hidden_size": 32},
        policy_kwargs={"features_dim": 32},
        n_steps=32,
        batch_size=128,
        seed=0,
        device="cpu",
    )
    solved = 0
    while model.num_timesteps < steps and solved < 2:
        model.learn(4 * ENVS * 32, reset_num_timesteps=model.num_timesteps == 0)
        solved = solved + 1 if np.mean(model.ep_success_buffer) > 0.97 else 0
    return model


def success(model, **kwargs):
    return evaluate(model, DummyVecEnv([MemoryOutput] * ENVS), n_episodes=20 * ENVS, **kwargs).success


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_the_episodic_memory_learns_to_recall(controller):
    model = learned(controller, "episodic", 40_000)
    assert success(model).mean() > 0.95
    assert success(model, deterministic=False).mean() > 0.9
    if controller == "feedforward":  # all of it is in the memory
        wiped = success(model, intervention="wiped")
        assert wilson_interval(int(wiped.sum()), len(wiped))[0] < 1 / CUES


@pytest.mark.slow
@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_a_recurrent_control_learns_to_recall(controller):
    assert success(learned(controller, "none", 60_000)).mean() > 0.95


def test_the_memoryless_control_stays_at_chance():
    result = success(learned("feedforward", "none", 12_000))
    low, high = wilson_interval(int(result.sum()), len(result), confidence=0.999)
    assert low < 1 / CUES < high


@pytest.mark.slow
def test_the_defaults_learn_to_balance_a_pole():
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    model = MemoryPPO("MemoryPolicy", env, seed=0, device="cpu")
    model.learn(100_000)
    assert evaluate(model, env, n_episodes=16).length.mean() > 300
