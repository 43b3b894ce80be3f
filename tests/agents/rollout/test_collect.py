"""Collecting: what callbacks are told, what envs are given, and going on after an interruption."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper
from staggered import (
    ACTIONS,
    ROWS,
    STEPS,
    Staggered,
    Telling,
    agent,
    collect_one,
    counting_agent,
    replay_error,
    vec_env,
)
from test_first_visits import by_a_plain_loop

from engram.agents import WrongStep


class StopAfter(BaseCallback):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def _on_step(self):
        return self.n_calls < self.steps


@pytest.mark.parametrize("stop", [1, 4, 7, 11])
def test_an_interrupted_training_goes_on_where_the_envs_are(stop):
    model = counting_agent(learning_rate=0.0)
    model.learn(10**4, callback=StopAfter(stop))
    assert model.num_timesteps == stop * ROWS
    model.learn(STEPS * ROWS, reset_num_timesteps=False)
    _, _, time, steps = model.chunks.steps.observation.unbind(2)
    assert torch.equal(steps, (torch.arange(STEPS) + stop).view(-1, 1).expand(-1, ROWS).float())
    assert torch.equal(model.chunks.steps.episode_start, time == 0)
    assert torch.equal(model.chunks.steps.values, time + 1)  # what was counted before the interruption is not lost


def test_a_second_learn_with_reset_starts_new_episodes():
    model = counting_agent(learning_rate=0.0)
    model.learn(STEPS * ROWS)
    model.learn(STEPS * ROWS)
    assert model.chunks.steps.episode_start[0].all()
    assert torch.equal(model.chunks.steps.values[0], torch.ones(ROWS))


class Noting(VecEnvWrapper):
    """Notes what is seen and where episodes start; what a reset follows, no step is taken from."""

    def __init__(self, env):
        super().__init__(env)
        self.observations, self.starts = [], []

    def reset(self):
        del self.observations[-1:], self.starts[-1:]
        return self.note(self.venv.reset(), np.ones(ROWS, dtype=bool))

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        return self.note(observations, dones), rewards, dones, infos

    def note(self, observations, starts):
        self.observations.append(observations.copy())
        self.starts.append(starts.copy())
        return observations


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("stop", [1, 4, 5, 11])
def test_an_interruption_changes_nothing_about_what_is_new(stop, reset):
    env = Noting(vec_env(observation_space=spaces.Discrete(4)))
    model, found = agent(env), []
    env.observations.clear(), env.starts.clear()
    model.learn(10**4, callback=StopAfter(stop))
    news = model.novelty.news
    model.novelty.news = lambda seen: found.append((news(seen), seen.starts[1:])) or found[-1][0]
    model.learn(STEPS * ROWS, reset_num_timesteps=reset)
    expected = np.array(by_a_plain_loop(np.stack(env.observations), np.stack(env.starts)))
    (news, starts), skipped = found[0], len(expected) - STEPS
    assert news.any()
    assert torch.where(starts, 0.0, news).tolist() == expected[skipped:].tolist()


class Reusing(DummyVecEnv):
    """Fills the same arrays again at every step, as fast VecEnvs do."""

    def reset(self):
        self.arrays = super().reset(), np.zeros(ROWS, np.float32), np.zeros(ROWS, bool)
        return self.arrays[0]

    def step_wait(self):
        *first_visits, infos = super().step_wait()
        for array, new in zip(self.arrays, first_visits, strict=True):
            array[...] = new
        return *self.arrays, infos


def test_envs_may_reuse_their_arrays():
    plain = counting_agent(seed=1)
    reused = counting_agent(Reusing([lambda row=row: Telling(row) for row in range(ROWS)]), seed=1)
    for model in (plain, reused):
        torch.manual_seed(5)
        collect_one(model)
        collect_one(model)
    for name in ("observation", "rewards", "episode_start", "terminated", "truncated", "actions", "values"):
        assert torch.equal(getattr(reused.chunks.steps, name), getattr(plain.chunks.steps, name)), name
    assert replay_error(reused) < 1e-5


class Watching(BaseCallback):
    def _init_callback(self):
        self.seen = []

    def _on_step(self):
        self.seen.append({key: self.locals[key] for key in ("actions", "rewards", "dones", "infos", "new_obs")})
        return True


def test_callbacks_are_told_what_sb3_tells_them():
    model, watching = counting_agent(), Watching()
    model.learn(STEPS * ROWS, callback=watching)
    assert len(watching.seen) == STEPS
    rewards = np.stack([step["rewards"] for step in watching.seen])
    dones = np.stack([step["dones"] for step in watching.seen])
    steps = model.chunks.steps
    assert np.allclose(rewards, steps.rewards)
    assert np.array_equal(dones, steps.terminated | steps.truncated)
    assert all(len(step["infos"]) == ROWS for step in watching.seen)
    assert model.num_timesteps == STEPS * ROWS


@pytest.mark.parametrize("name", ["box", "two-axis box"])
def test_envs_get_actions_within_bounds_and_the_buffer_the_sampled_ones(name):
    model = agent(vec_env(action_space=ACTIONS[name]))
    with torch.no_grad():
        model.policy.log_std.fill_(3.0)
    collect_one(model)  # the env asserts that actions are in its space
    actions = model.chunks.steps.actions
    assert actions.abs().max() > 5  # the log-probability is of what was sampled, not of what was clipped
    assert actions.shape == (STEPS, ROWS, int(np.prod(ACTIONS[name].shape)))
    assert replay_error(model) < 1e-4


def test_episode_statistics_are_those_of_the_envs():
    env = DummyVecEnv([lambda row=row: Monitor(Telling(row)) for row in range(ROWS)])
    model = agent(env)
    collect_one(model)
    lengths = [info["l"] for info in model.ep_info_buffer]
    ends = model.chunks.steps.terminated | model.chunks.steps.truncated
    assert len(lengths) == ends.sum()
    assert sum(lengths) <= STEPS * ROWS
    assert model.ep_success_buffer.count(True) == model.chunks.steps.terminated.sum()


def test_traces_are_logged():
    model = agent()
    collect_one(model)
    names = model.logger.name_to_value
    assert {"memory/gate", "memory/write_rate", "memory/occupancy", "memory/null_read"} <= set(names)
    assert {"novelty/coef", "novelty/bonus", "novelty/rate"} <= set(names)
    assert all(0 <= names[f"memory/{name}"] <= 1 for name in ("gate", "write_rate", "occupancy", "null_read"))


def test_observations_are_stored_in_their_own_type():
    model = agent(vec_env(observation_space=spaces.Box(0, 9, (2, 3), np.uint8)))
    collect_one(model)
    assert model.chunks.steps.observation.dtype == torch.uint8
    assert model._state.core.memory.events.observation.dtype == torch.uint8


@pytest.mark.parametrize("reward", [np.nan, -np.inf])
def test_a_reward_that_is_not_finite_is_named_before_anything_is_learned_from_it(reward):
    class Broken(Staggered):
        def step(self, action):
            observation, usual, *rest = super().step(action)
            return observation, reward if (self.row, self.time) == (1, 2) else usual, *rest

    model = agent(vec_env(env=Broken))
    before = torch.cat([parameter.flatten() for parameter in model.policy.parameters()])
    with pytest.raises(WrongStep, match=f"env 1 gave a reward of {reward}"):
        model.learn(10**4)
    assert torch.equal(torch.cat([parameter.flatten() for parameter in model.policy.parameters()]), before)
