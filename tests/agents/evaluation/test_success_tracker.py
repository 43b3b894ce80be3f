"""Whether success is known: from the first step whose info has it, and not before."""

import numpy as np
import pytest
from cued import cued
from staggered import ROWS, Staggered, vec_env

from engram.agents.evaluation.success_tracker import SuccessTracker


class WithoutSuccess(Staggered):
    def step(self, action):
        *result, info = super().step(action)
        return *result, {name: value for name, value in info.items() if name != "is_success"}


def test_success_is_known_once_an_info_has_it():
    env = SuccessTracker(cued())  # the first episodes end at steps 4, 7 and 5
    env.reset()
    known = []
    for _ in range(6):
        env.step(np.zeros((ROWS, 1), np.float32))
        known.append(env.knows_success)
    assert known == [False, False, False, True, True, True]  # at steps between the ends, too
    env.reset()
    assert env.knows_success


class NobodyKnows(Staggered):
    def step(self, action):
        *result, info = super().step(action)
        return *result, {name: None if name == "is_success" else value for name, value in info.items()}


@pytest.mark.parametrize("env", [WithoutSuccess, NobodyKnows])
def test_without_success_in_any_info_it_stays_unknown(env):
    env = SuccessTracker(vec_env(env=env))
    env.reset()
    for _ in range(17):
        *_, infos = env.step([0] * ROWS)
        assert all(info.get("is_success") is None for info in infos)
    assert not env.knows_success


def test_everything_else_passes_through():
    env, plain = SuccessTracker(cued()), cued()
    assert np.array_equal(env.reset(), plain.reset())
    for number in range(9):
        action = np.full((ROWS, 1), number, np.float32)
        observations, rewards, dones, infos = env.step(action)
        expected = plain.step(action)
        assert np.array_equal(observations, expected[0])
        assert np.array_equal(rewards, expected[1])
        assert np.array_equal(dones, expected[2])
        assert [info["cue_visible"] for info in infos] == [info["cue_visible"] for info in expected[3]]
