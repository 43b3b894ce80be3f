"""Envs in processes of their own: one that fails is named in a line, and the others are not waited for."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from engram.envs.closing import close
from engram.envs.processes import EnvFailed, in_processes


class Failing(gym.Env[Any, Any]):
    """Does something at its third step, or at its second reset, in which an episode of two steps ends."""

    observation_space, action_space = gym.spaces.Discrete(3), gym.spaces.Discrete(2)

    def __init__(self, at: str, how: str) -> None:
        self.at, self.how, self.steps, self.resets = at, how, 0, 0

    def fail(self) -> None:
        if self.how == "raise":
            raise ArithmeticError("the lift is\nout of order")
        if self.how == "leave":
            raise SystemExit(3)
        if self.how == "exit":
            os._exit(7)
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.resets += 1
        if self.at == "reset" and self.resets == 2:
            self.fail()
        return 0, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.at == "step" and self.steps == 3:
            self.fail()
        return self.steps % 3, 1.0, self.steps % 2 == 0, False, {}


@pytest.mark.parametrize(
    ("at", "how", "line"),
    [
        ("step", "raise", r"env 1: ArithmeticError: the lift is out of order \(.*test_processes\.py, line \d+\)"),
        ("reset", "raise", r"env 1: ArithmeticError: the lift is out of order \(.*test_processes\.py, line \d+\)"),
        ("step", "leave", r"env 1: SystemExit: 3 \(.*\)"),
        ("step", "exit", r"env 1: its process ended with exit code 7"),
        ("reset", "die", r"env 1: its process was ended by signal 9"),
    ],
)
def test_an_env_that_fails_is_named_in_a_line(at: str, how: str, line: str) -> None:
    env = in_processes([partial(Failing, "never", ""), partial(Failing, at, how), partial(Failing, "never", "")])
    env.reset()
    actions = np.zeros(3, dtype=np.int64)
    for _ in range(2 if at == "step" else 1):
        env.step(actions)
    with pytest.raises(EnvFailed, match=f"^{line}$"):
        env.step(actions)
    close(env)  # does not wait for the living
    for process in env.processes:
        process.join(10)
        assert not process.is_alive()
