"""What an env returns is checked: every fault is one line that names the env and the value."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import engram
from engram.agents import MemoryPPO
from engram.envs.wrappers.checked import Checked, EnvFault

GOOD = np.array([0.1, 0.2, 0.3], np.float32)
REWARDS = {
    "nan": (float("nan"), "nan; it must be a finite reward"),
    "infinite": (np.float64("inf"), "inf.*; it must be a finite reward"),
    "nothing": (None, "None; it must be a number as reward"),
    "a text": ("1", "'1'; it must be a number as reward"),
    "two": (np.array([1.0, 2.0]), "it must be a number as reward"),
    "complex": (1j, "1j; it must be a number as reward"),
}
ENDS = {"nothing": None, "a text": "no", "nan": float("nan"), "two": np.array([True, False]), "a number": 2}
RETURNED = {"nothing": None, "three": (GOOD, 0.0, False), "a list": [GOOD, 0.0, False, False, {}]}


class Faulty(gym.Env[Any, Any]):
    """Goes wrong at its fifth step, or at its second reset, or where an episode ends."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, part: int | None, value: Any, at: str = "step") -> None:
        self.part, self.value, self.at, self.steps, self.resets = part, value, at, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps, self.resets = 0, self.resets + 1
        return self._returned((GOOD, {}), self.at == "reset" and self.resets == 2)

    def step(self, action: Any) -> Any:
        self.steps += 1
        ended = self.steps == 7
        truncated = ended and self.at == "truncated"
        now = ended if self.at in ("terminated", "truncated") else self.at == "step" and self.steps == 5
        return self._returned((GOOD, 0.5, ended and not truncated, truncated, {}), now)

    def _returned(self, whole: tuple[Any, ...], now: bool) -> Any:
        if not now:
            return whole
        return self.value if self.part is None else (*whole[: self.part], self.value, *whole[self.part + 1 :])


def refused(part: int | None, value: Any, line: str, at: str) -> None:
    """Train in an env with a fault; with it, nothing of the rollout is learned."""
    model = MemoryPPO("MemoryPolicy", Faulty(part, value, at), n_steps=16, memory="none", seed=0, device="cpu")
    with pytest.raises(
        EnvFault, match=rf"^env Faulty: {'reset' if at == 'reset' else 'step'} returned .*{line}"
    ) as found:
        model.learn(32)
    assert "\n" not in str(found.value)
    assert model._n_updates == 0


@pytest.mark.parametrize("at", ["step", "terminated", "truncated"])
@pytest.mark.parametrize("name", REWARDS)
def test_rewards(name: str, at: str) -> None:
    refused(1, *REWARDS[name], at)


@pytest.mark.parametrize("part", [2, 3])
@pytest.mark.parametrize("name", ENDS)
def test_ends(name: str, part: int) -> None:
    refused(part, ENDS[name], f"it must be True or False as {'terminated' if part == 2 else 'truncated'}", "step")


@pytest.mark.parametrize("at", ["step", "reset"])
@pytest.mark.parametrize("info", [None, [1], "text"], ids=str)
def test_infos(info: Any, at: str) -> None:
    refused(1 if at == "reset" else 4, info, "it must be a dictionary as info", at)


@pytest.mark.parametrize("at", ["step", "reset"])
@pytest.mark.parametrize("name", RETURNED)
def test_what_is_no_step(name: str, at: str) -> None:
    refused(None, RETURNED[name], r"it must be \(observation, ", at)


OBSERVATIONS = {
    "nan": (np.array([0, np.nan, 0], np.float32), "nan"),
    "infinite": (np.array([0, 0, -np.inf], np.float32), "-inf"),
    "longer": (np.zeros(4, np.float32), r"\(4,\)"),
    "a row": (np.zeros((2, 3), np.float32), r"\(2, 3\)"),
    "a number": (np.float32(0), r"\(\)"),
    "nothing": (None, "None"),
    "a text": ("abc", "abc"),
    "a dictionary": ({"a": 1}, "'a': 1"),
}


@pytest.mark.parametrize("at", ["step", "truncated", "reset"])
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observations_are_held_to_their_space(name: str, at: str) -> None:
    observation, line = OBSERVATIONS[name]
    model = MemoryPPO("MemoryPolicy", Faulty(0, observation, at), n_steps=16, memory="none", seed=0, device="cpu")
    with pytest.raises(ValueError, match=line) as found:
        model.learn(32)
    assert "\n" not in str(found.value)
    assert model._n_updates == 0


@pytest.mark.parametrize("reward", [1, 0.5, True, np.float32(2), np.array(0.5), np.int8(3)], ids=repr)
def test_numbers_of_all_kinds_are_rewards(reward: Any) -> None:
    env = Faulty(1, reward)
    env.steps = 4
    assert Checked(env).step(0)[1] is reward


def test_what_is_right_is_handed_on_unchanged() -> None:
    env = Checked(Faulty(4, {"mine": 3}))
    assert env.reset()[0] is GOOD
    for _ in range(4):
        assert env.step(0)[0] is GOOD
    assert env.step(0)[4] == {"mine": 3}


def test_envs_of_others_are_checked_and_ours_are_not() -> None:
    assert "Checked" in str(engram.make_env("FrozenLake-v1"))
    assert "Checked" not in str(engram.make_env("Engram-TMaze-v0"))
