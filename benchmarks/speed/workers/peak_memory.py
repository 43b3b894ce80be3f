"""Trains, and says how much memory its process has held at most so far."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.subjects.agents import ALL_ACTIONS, ENV, VIEW_SIZE
from benchmarks.speed.workers.worker import serve
from engram.agents import MemoryPPO
from engram.envs import make_vec_env

N_ENVS, STEPS, SLOTS = 64, 512, 64


def turns() -> Iterator[dict[str, Any]]:
    """Yield the peak after the imports, the building and each iteration."""
    yield _peak()
    torch.set_num_threads(1)
    env = make_vec_env(ENV, n_envs=N_ENVS, view_size=VIEW_SIZE, useful_actions=ALL_ACTIONS, seed=0)
    memory: dict[str, Any] = {"memory": "episodic", "memory_kwargs": {"slots": SLOTS}}
    model = MemoryPPO("MemoryPolicy", env, n_steps=STEPS, n_epochs=1, seed=0, device="cpu", **memory)
    yield _peak()
    while True:
        model.learn(STEPS * N_ENVS, reset_num_timesteps=False)
        yield _peak()


def _peak() -> dict[str, Any]:
    status = Path("/proc/self/status")
    if status.is_file():  # elsewhere than on Linux `ru_maxrss` starts anew with a process; there it is inherited
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return {"bytes": 1024 * int(lines["VmHWM"].split()[0])}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": peak if sys.platform == "darwin" else 1024 * peak}


if __name__ == "__main__":
    serve(turns())
