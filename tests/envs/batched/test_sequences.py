"""Batched sequence tasks: with every wrapper, to all ends, and what is left to others."""

import gymnasium as gym
import numpy as np
import pytest
from side_by_side import assert_same_play, assert_same_step, both
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import make_vec_env
from engram.envs.batched.sequences import SequenceVecEnv
from engram.envs.tasks.sequences.binding import Binding

SHORT = {"cues": 2, "answers": 2, "delay": (0, 3)}


class Generous(Binding):
    """A task whose step is its own."""

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, abs(reward), *rest


gym.register("Generous-v0", Generous)
gym.register("BindingWithALimit-v0", Binding, max_episode_steps=9)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"split": "train"},
        {"monitor": False},
        {"n_envs": 1},
        {"random_actions": 0.3},
        {"random_actions": 0.1, "split": "test"},
        {"kwargs": {**SHORT, "delay": (0, 40)}},
    ],
)
def test_every_wrapper(arguments):
    ours, definition = both("Engram-Binding-v0", **{"kwargs": SHORT, **arguments})
    assert type(ours) is SequenceVecEnv
    assert assert_same_play(ours, definition, 1500) == {(True, False), (False, False)}


def test_cues_of_several_digits():
    ours, definition = both("Engram-Binding-v0", kwargs={"cues": 5, "alphabet": 3, "digits": 4, "queries": 2})
    assert type(ours) is SequenceVecEnv
    assert_same_play(ours, definition, 200)


def test_a_return_of_many_answers_is_the_same_to_the_last_digit():
    # 49 answers of 1/49, added up in the order in which they were given.
    ours, definition = both("Engram-RepeatPreviousEasy-v0", n_envs=7, kwargs={"lag": 3, "length": 52, "symbols": 2})
    for vec_env in (ours, definition):
        vec_env.reset()
    for actions in np.random.default_rng(0).integers(2, size=(1000, 7)):
        assert_same_step(ours.step(actions), definition.step(actions))
    for one, other in zip(ours.envs, definition.envs, strict=True):
        assert one.get_episode_rewards() == other.get_episode_rewards()
        assert one.rewards == other.rewards
        assert one.get_total_steps() == other.get_total_steps()


def test_what_it_does_not_know_steps_one_by_one():
    for env_id in ("Generous-v0", "BindingWithALimit-v0"):
        assert type(make_vec_env(env_id)) is DummyVecEnv
    assert type(make_vec_env("Engram-Binding-v0", previous_reward=True)) is DummyVecEnv


def test_tasks_that_show_and_ask_for_different_numbers():
    ours, definition = both("Engram-Binding-v0", kwargs={"cues": (2, 5), "answers": 2, "delay": (0, 3)})
    assert type(ours) is SequenceVecEnv
    assert_same_play(ours, definition, 600)
    ours, definition = both("Engram-Chain2-v0", kwargs={"hops": (1, 3)})
    assert_same_play(ours, definition, 300)
