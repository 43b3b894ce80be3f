"""Observations that nothing can be learned from are named, before anything is."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.agents import MemoryPPO, WrongStep
from engram.agents.rollout.observation_check import ObservationCheck

VECTOR = spaces.Box(-1, 1, (4,))
GRID = spaces.Box(0, np.array([9, 5], np.uint8) * np.ones((3, 2, 2), np.uint8), dtype=np.uint8)


class Faulty(gym.Env):
    """Shows zeros, and something wrong at a step of its episodes of five."""

    action_space = spaces.Discrete(2)

    def __init__(self, space, fault, at=3, key=None):
        self.space, self.fault, self.at, self.key = space, fault, at, key
        self.observation_space = spaces.Dict({key: space, "other": VECTOR}) if key else space

    def shown(self):
        value = self.fault if self.time == self.at else 0
        seen = np.full(self.space.shape, value, self.space.dtype)
        return {self.key: seen, "other": np.zeros(4, np.float32)} if self.key else seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.shown(), {}

    def step(self, action):
        self.time += 1
        return self.shown(), 1.0, False, self.time == 5, {}


FAULTS = {
    "nan": (VECTOR, np.nan, "nan: nothing can be learned from it"),
    "inf": (VECTOR, np.inf, "inf: nothing can be learned"),
    "too large once it is stored": (spaces.Box(-1, 1, (4,), np.float64), 1e300, "inf: nothing can be learned"),
    "choice": (spaces.Discrete(3), 3, "3, outside of its space, from 0 to 2: it cannot be encoded"),
    "choices": (spaces.MultiDiscrete([4, 3]), 3, "3, outside of its space, from 0 to 2: it cannot"),
    "bits": (spaces.MultiBinary(5), 2, "2, outside of its space, from 0 to 1"),
    "symbol": (GRID, 6, "6, outside of its space, from 0 to 5"),
    "negative choice": (spaces.Discrete(3), -1, "-1, outside of its space, from 0 to 2"),
}


@pytest.mark.parametrize("at", [0, 3, 5], ids=["first", "middle", "last of a truncated episode"])
@pytest.mark.parametrize("key", [None, "sight"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_env_key_and_value(fault, key, at):
    space, value, message = FAULTS[fault]
    vec_env = DummyVecEnv([lambda: Faulty(space, 0, key=key), lambda: Faulty(space, value, at, key)])
    model = MemoryPPO("MemoryPolicy", vec_env, n_steps=8, batch_size=8, seed=0, device="cpu")
    named = f"a value under '{key}'" if key else "a value"
    with pytest.raises(WrongStep, match=rf"^env 1 showed {named} of {message}"):
        model.learn(32)
    assert model._n_updates == 0


def test_a_float_out_of_its_bounds_is_warned_of_once():
    check = ObservationCheck(spaces.Dict({"a": VECTOR, "b": spaces.Box(-np.inf, np.inf, (2,))}))
    seen = {"a": np.zeros((3, 4), np.float32), "b": np.full((3, 2), 1e9, np.float32)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check.look(seen)
    seen["a"][2, 1] = 1.5
    with pytest.warns(
        UserWarning, match="^env 2 showed a value under 'a' of 1.5, outside of its space, from -1 to 1; this"
    ):
        check.look(seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check.look(seen)


def test_a_picture_is_not_compared_with_anything():
    check = ObservationCheck(spaces.Box(0, 255, (9, 8, 3), np.uint8))
    assert not check._parts[0].is_bounded
    check.look(np.full((2, 9, 8, 3), 255, np.uint8))


def test_rows_are_the_envs_numbers():
    with pytest.raises(WrongStep, match=r"^env 7 showed"):
        ObservationCheck(spaces.Discrete(3)).look(np.array([0, 4]), np.array([2, 7]))


def test_in_a_training_it_is_warned_of_once_not_once_a_rollout():
    vec_env = DummyVecEnv([lambda: Faulty(VECTOR, 1.5)])
    model = MemoryPPO("MemoryPolicy", vec_env, n_steps=8, batch_size=8, seed=0, device="cpu")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.learn(32)
    assert sum("outside of its space" in str(warning.message) for warning in caught) == 1


@pytest.mark.parametrize("most", [0, 10, 63, 64, 255])
def test_small_numbers_that_are_announced_as_a_picture_are_warned_of_once(most):
    check = ObservationCheck(spaces.Dict({"sight": spaces.Box(0, 255, (9, 8, 3), np.uint8), "other": VECTOR}))
    seen = {"sight": np.zeros((2, 9, 8, 3), np.uint8), "other": np.zeros((2, 4), np.float32)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for look in range(100):
            seen["sight"][1, 2, 3, 1] = most if look == 7 else 0
            check.look(seen)
    lines = [str(warning.message) for warning in caught]
    assert len(lines) == (most in (10, 63))
    assert all(f"under 'sight' has not been above {most} so far" in line for line in lines)
    assert all("are read as a picture" in line for line in lines)


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.MultiDiscrete([3, 4]), spaces.MultiBinary(5), GRID])
def test_a_fraction_of_a_whole_number_is_named_instead_of_cut(space):
    seen = np.zeros((3, *space.shape), np.float32)
    check = ObservationCheck(space)
    check.look(seen)
    seen[2] = 0.5
    with pytest.raises(WrongStep, match=r"^env 2 showed a value of 0.5, where its space has whole numbers only$"):
        check.look(seen)
