"""Envs in processes of their own that leave it to their parent when to stop, and end with it."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import process, util
from types import FrameType
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv

STOPS = {
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if (number := getattr(signal, name, None)) is not None
}
"""What a terminal or a scheduler sends to all processes of a command at once."""


def in_processes(makers: Sequence[Callable[[], gym.Env[Any, Any]]]) -> SubprocVecEnv:
    """Make envs, each in a process of its own.

    A signal to the whole group stops the parent alone; with these processes it would lose what they know, and wait for
    answers that do not come. When the parent ends they are killed: they do not heed being asked.

    Args:
        makers: each makes one.
    """
    _ready_to_fork()
    vec_env = SubprocVecEnv([partial(_make_in_process, make) for make in makers])
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
    return make()


def _leave_to_parent(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def _kill(processes: Sequence[process.BaseProcess]) -> None:
    for each in processes:
        if each.is_alive():
            each.kill()
