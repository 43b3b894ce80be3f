"""A deterministic env whose episodes end at different times in different rows, and agents small enough to look at."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.agents import MemoryPPO
from engram.agents.learning.lesson import prepare
from engram.memory import tree_map

ROWS, STEPS, CHUNK = 3, 15, 5  # distinct, and chunks that episodes cross

# Lengths of the episodes of each row: some of one step, some longer than a chunk or a rollout, ends on chunk borders.
LENGTHS = [[4, 1, 7, 1, 2], [5, 10, 3], [17, 2, 6, 9]]

VECTOR = spaces.Box(-1, 1, (4,), np.float32)
GRID = spaces.Box(0, np.array([9, 5], np.uint8) * np.ones((3, 2, 2), np.uint8), dtype=np.uint8)
IMAGE = spaces.Box(0, 255, (10, 14, 3), np.uint8)
OBSERVATIONS = {
    "vector": VECTOR,
    "grid": GRID,
    "image": IMAGE,
    "discrete": spaces.Discrete(6),
    "multidiscrete": spaces.MultiDiscrete([3, 5]),
    "multibinary": spaces.MultiBinary(7),
    "dict": spaces.Dict({"place.x": VECTOR, "picture": IMAGE, "cells": GRID, "mode": spaces.Discrete(3)}),
}
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "multidiscrete": spaces.MultiDiscrete([3, 2]),
    "multibinary": spaces.MultiBinary(4),
    "box": spaces.Box(-1, 1, (2,), np.float32),
    "two-axis box": spaces.Box(-2, 2, (2, 3), np.float32),
}


class Staggered(gym.Env):
    """Episode k of row r lasts `LENGTHS[r][k]` steps, over and over, and is terminated and truncated by turns."""

    def __init__(self, row=0, observation_space=VECTOR, action_space=ACTIONS["discrete"]):
        self.row, self.observation_space, self.action_space = row, observation_space, action_space
        self.episode = -1

    def observe(self):
        self.observation_space.seed(1 + self.row + 10 * self.episode + 1000 * self.time)
        return self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.time += 1
        lengths = LENGTHS[self.row % len(LENGTHS)]
        over = self.time == lengths[self.episode % len(lengths)]
        terminated, truncated = over and self.episode % 2 == 0, over and self.episode % 2 == 1
        reward = 0.1 * self.time + 0.3 * float(np.sum(action))
        return self.observe(), reward, terminated, truncated, {"is_success": bool(terminated)} if over else {}


class Masked(Staggered):
    """At each step one choice (of each part of the action) is forbidden."""

    def action_masks(self):
        choices = [self.action_space.n] if isinstance(self.action_space, spaces.Discrete) else self.action_space.nvec
        masks = [np.arange(n) != (self.row + self.time) % n for n in choices]
        return np.concatenate(masks)

    def step(self, action):
        choices = [self.action_space.n] if isinstance(self.action_space, spaces.Discrete) else self.action_space.nvec
        forbidden = [(self.row + self.time) % n for n in choices]
        assert not np.any(np.atleast_1d(action) == forbidden), "a forbidden action was taken"
        return super().step(action)


class MaskedByObservation(Masked):
    """The mask is a part of the observation."""

    def __init__(self, row=0, observation_space=VECTOR, action_space=ACTIONS["discrete"]):
        mask = spaces.MultiBinary(3 if isinstance(action_space, spaces.Discrete) else 5)
        super().__init__(row, spaces.Dict({"seen": observation_space, "action_mask": mask}), action_space)

    def observe(self):
        return {**super().observe(), "action_mask": self.allowed().astype(np.int8)}

    allowed = Masked.action_masks
    action_masks = property()  # it has none: only the key tells


def vec_env(rows=ROWS, env=Staggered, **kwargs):
    return DummyVecEnv([lambda row=row: env(row, **kwargs) for row in range(rows)])


def controller_sizes(controller):
    """Arguments of a small controller; its window is shorter than most episodes."""
    own = {"transformer": {"heads": 7, "window": 4, "feedforward_size": 13}}
    return {"hidden_size": 7, **own.get(controller, {})}


def agent(env=None, memory="episodic", controller="lstm", memory_kwargs=None, **kwargs):
    """A small agent whose log-probabilities and values depend on all that it remembers."""
    sizes = {"slots": 4, "heads": 2, "key_size": 5, "value_size": 9, "step_embedding_size": 4}
    if memory_kwargs is None:
        memory_kwargs = sizes if memory == "episodic" else {}
    given: dict[str, Any] = {
        "n_steps": STEPS,
        "chunk_length": CHUNK,
        "batch_size": 2 * CHUNK,
        "n_epochs": 1,
        "seed": 0,
        "policy_kwargs": {"features_dim": 11},
        "controller_kwargs": controller_sizes(controller),
        "device": "cpu",
        **kwargs,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You have specified a mini-batch size")  # the last one is smaller: good
        model = MemoryPPO(
            "MemoryPolicy", env or vec_env(), memory=memory, controller=controller, memory_kwargs=memory_kwargs, **given
        )
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model._setup_learn(10**6, None)
    return model


class Telling(Staggered):
    """Observes (row, episode, time, steps since the env was made), so that what is stored says whence it came."""

    def __init__(self, row=0, action_space=ACTIONS["discrete"]):
        super().__init__(row, spaces.Box(0, 10**6, (4,), np.float32), action_space)
        self.steps = 0

    def observe(self):
        return np.array([self.row, self.episode, self.time, self.steps], dtype=np.float32)

    def step(self, action):
        self.steps += 1
        return super().step(action)


def counting_agent(env=None, **kwargs):
    """An agent whose value at a step is the number of steps that its memory has counted in the episode."""
    model = agent(env or vec_env(env=Telling), memory="counting", controller="feedforward", **kwargs)
    with torch.no_grad():
        model.policy.value_net.weight.zero_()
        model.policy.value_net.weight[0, 7] = 1.0  # the read, behind the 7 hidden features
        model.policy.value_net.bias.zero_()
    return model


def collect_one(model):
    """Collect one rollout, as `learn` does."""
    assert model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, model.n_steps)


def rollouts(model, n=1):
    """Collect and train by turns; the last rollout is not trained on."""
    for i in range(n):
        if i:
            model.train()
        collect_one(model)


def minibatches(buffer, batch_size):
    """All chunks of a rollout once, in random sets."""
    for chosen in buffer.order(batch_size):
        yield buffer.chunks(chosen)


def evaluations(model, **changes):
    """(chunk, what the policy now says of it) over all minibatches of the last rollout, by the definition."""
    model.policy.set_training_mode(True)
    for chunk in minibatches(model.chunks, model.batch_size):
        steps = chunk.steps
        masks = None if isinstance(steps.action_masks, tuple) else steps.action_masks
        arguments = {
            "observations": steps.observation,
            "actions": steps.actions,
            "state": chunk.state,
            "episode_starts": steps.episode_start,
            "decisions": steps.decisions,
            "action_masks": masks,
            **changes,
        }
        with torch.no_grad():
            yield chunk, model.policy.evaluate_chunk(**arguments)


def prepared(model):
    """(numbers as collected [L, M, 2], what the policy now says) over all minibatches, as an update does it."""
    model.policy.set_training_mode(True)
    events, lesson = prepare(model.policy, model.chunks)
    for chosen in model.chunks.order(model.batch_size):
        rows = tree_map(lambda leaf, chosen=chosen: leaf[chosen], lesson)
        masks = None if isinstance(rows.action_masks, tuple) else rows.action_masks.transpose(0, 1)
        with torch.no_grad():
            now = model.policy.evaluate(events, rows.replay, rows.actions.transpose(0, 1), masks)
        yield rows.numbers.transpose(0, 1)[..., :2], now


def replay_error(model, **changes):
    """Largest difference between what was collected and what is recomputed."""
    errors = [0.0]
    for chunk, now in evaluations(model, **changes):
        errors.append((now.log_probs - chunk.steps.log_probs).abs().max().item())
        errors.append((now.values - chunk.steps.values).abs().max().item())
    if not changes:
        for (log_probs, values), now in ((collected.unbind(2), now) for collected, now in prepared(model)):
            errors.append((now.log_probs - log_probs).abs().max().item())
            errors.append((now.values - values).abs().max().item())
    assert len(errors) > 2
    assert all(np.isfinite(errors))
    return max(errors)
