"""Envs in processes of their own that leave it to their parent when to stop, and end with it."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import process, util
from types import FrameType
from typing import Any, SupportsFloat

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

STOPS = {
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if (number := getattr(signal, name, None)) is not None
}
"""What a terminal or a scheduler sends to all processes of a command at once."""


FAULT = "engram_fault"
"""Key of an info that says, in a line, what an env has raised."""


class EnvFailed(ValueError):
    """An env in a process of its own has raised something, or its process has ended."""


class Telling(gym.Wrapper[Any, Any, Any, Any]):
    """Tells its parent what an env raises, in an info, instead of ending the process with a traceback."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        try:
            return self.env.reset(seed=seed, options=options)
        except (Exception, SystemExit) as error:
            return self.observation_space.sample(), {FAULT: _in_a_line(error)}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        try:
            return self.env.step(action)
        except (Exception, SystemExit) as error:
            return self.observation_space.sample(), 0.0, False, False, {FAULT: _in_a_line(error)}


class InProcesses(SubprocVecEnv):
    """Envs in processes of their own, of which one that fails is named in a line.

    Raises:
        EnvFailed: by whatever is asked of an env that has raised something, or whose process has ended.
    """

    def reset(self) -> VecEnvObs:
        with self._noticing():
            observations = super().reset()
        self._look_at(self.reset_infos)
        return observations

    def step_async(self, actions: Any) -> None:
        with self._noticing():
            super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        with self._noticing():
            returned = super().step_wait()
        self._look_at(returned[3])
        self._look_at(self.reset_infos)
        return returned

    def get_attr(self, *args: Any, **kwargs: Any) -> list[Any]:
        with self._noticing():
            return super().get_attr(*args, **kwargs)

    def env_method(self, *args: Any, **kwargs: Any) -> list[Any]:
        with self._noticing():
            return super().env_method(*args, **kwargs)

    def close(self) -> None:
        if any(not each.is_alive() for each in self.processes):
            _kill(self.processes)  # the others would be waited for, and they wait for what was asked of the dead
            self.closed = True
        else:
            super().close()

    @staticmethod
    def _look_at(infos: Sequence[dict[str, Any]]) -> None:
        for number, info in enumerate(infos):
            if FAULT in info:
                raise EnvFailed(f"env {number}: {info[FAULT]}")

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            for each in self.processes:
                each.join(0.1)
            ended = {number: each.exitcode for number, each in enumerate(self.processes) if each.exitcode is not None}
            if not ended:
                raise
            number, code = next(iter(ended.items()))
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise EnvFailed(f"env {number}: its process {how}") from error


def _in_a_line(error: BaseException) -> str:
    """Say what was raised, and in which line of the env's code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if "site-packages" not in frame.filename]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    said = " ".join(str(error).split()).encode(errors="backslashreplace").decode()
    return f"{type(error).__name__}{': ' if said else ''}{said}{where}"


def in_processes(makers: Sequence[Callable[[], gym.Env[Any, Any]]]) -> SubprocVecEnv:
    """Make envs, each in a process of its own.

    A signal to the whole group stops the parent alone; with these processes it would lose what they know, and wait for
    answers that do not come. When the parent ends they are killed: they do not heed being asked.

    Args:
        makers: each makes one.
    """
    _ready_to_fork()
    vec_env = InProcesses([partial(_make_in_process, make) for make in makers])
    util.Finalize(vec_env, _kill, args=(vec_env.processes,), exitpriority=10)
    return vec_env


def _ready_to_fork() -> None:
    """Start the process from which those of the envs are forked, with these signals blocked.

    Their imports take seconds, in which they could not heed a signal otherwise than by a traceback.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    from multiprocessing import forkserver, resource_tracker  # which not every system has

    resource_tracker.ensure_running()  # it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _make_in_process(make: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    for number in STOPS:
        signal.signal(number, _leave_to_parent)  # and not ignored, for programs that an env starts would ignore it, too
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    return Telling(make())


def _leave_to_parent(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def _kill(processes: Sequence[process.BaseProcess]) -> None:
    for each in processes:
        if each.is_alive():
            each.kill()
