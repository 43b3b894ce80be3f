"""Operations that torch dispatches in an acting step and in a learning pass: numbers that do not depend on the machine.

    python -m benchmarks.speed.operations --record

Every registered controller without a memory, and every memory behind an LSTM, once with the C code and once without.
The env plays a fixed script of 7 × 7 symbols, the acting step is the mean of a rollout with 64 envs, the learning pass
is over 16 chunks of 32 steps, from the policy's evaluation to the loss and back. Views are counted apart: they compute
nothing, but each costs a call. What `--record` writes to `operations.json` is the most that a test allows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from gymnasium import spaces

from benchmarks.arguments import make_parser
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session
from benchmarks.speed.subjects.agents import ALL_ACTIONS, ENV, VIEW_SIZE, Ours, make_ours
from benchmarks.speed.subjects.scripted import scripted_env
from benchmarks.speed.subjects.watched import ACTING, BACKWARD, FORWARD, Arithmetic, watch
from engram.envs import make_env
from engram.memory import CONTROLLERS, MEMORIES
from engram.memory.native import build
from engram.tracking.atomic import write_json

N_ENVS, STEPS, CHUNK, BATCH = 64, 32, 32, 512
KINDS = 160  # about 30 % of the observations of a minibatch are different, as on the real task
SLOTS = {"episodic": {"slots": 16}}  # full before an episode ends
CEILINGS = Path(__file__).with_suffix(".json")
PASSES = ("acting", "forward", "backward")
WAYS = {"native": "with C code", "no_native": "without C code"}

Counts = dict[str, float]
"""`acting`, `acting views`, and so on."""


def measure(session: Session) -> list[Table]:
    """Return a table for each of the two ways."""
    tables = []
    for way, title in WAYS.items():
        rows = []
        for name in cases():
            session.tell(f"{name}, {title}")
            found = count(name, way)
            cells = {key: [value] for key, value in found.items()}
            cells["acting ratio"] = [found["acting"] / count("lstm", way)["acting"]]
            rows.append(Row(name=name, cells=cells))
        headings = {"acting": "acting step", "acting ratio": "times the LSTM alone", "acting views": "its views"}
        for key in ("forward", "backward"):
            headings |= {key: key, f"{key} views": "its views"}
        tables.append(Table(name=way, title=f"Operations, {title}", columns=headings, rows=rows))
    return tables


def cases() -> dict[str, Ours]:
    """Return what is counted: names of a controller, or of a controller and a memory; only classes of ours."""
    controllers = {name: Ours("none", controller=name) for name, cls in CONTROLLERS.items() if _is_ours(cls)}
    memories = {
        f"lstm, {name}": Ours(name, SLOTS.get(name, {}))
        for name, cls in MEMORIES.items()
        if _is_ours(cls) and name != "none"
    }
    return controllers | memories


def count(name: str, way: str) -> Counts:
    """Count the operations of one of `cases`, `way` being one of `WAYS`."""
    without, asked_for_c = _counted(name, "no_native")
    return _counted(name, way)[0] if asked_for_c else without


@cache
def _counted(name: str, way: str) -> tuple[Counts, bool]:
    """Count; return also whether anything asked for C code, whether it got it or not."""
    env = make_env(ENV, view_size=VIEW_SIZE, useful_actions=ALL_ACTIONS)
    assert isinstance(env.observation_space, spaces.Box)
    scripted = scripted_env(env.observation_space, N_ENVS, kinds=KINDS)
    model = make_ours(cases()[name], scripted, n_steps=STEPS, chunk_length=CHUNK, batch_size=BATCH, n_epochs=1)
    steps = STEPS * N_ENVS
    model.learn(steps)  # the first iteration begins all episodes at once, and makes what is kept
    with without_c() if way == "no_native" else _as_it_is():
        with Arithmetic() as counter, watch(model, counter.read) as watching:
            model.learn(steps, reset_num_timesteps=False)
        asked_for_c = build.build.cache_info().currsize > 0
    counts: Counts = {}
    for key, piece, calls in zip(PASSES, (ACTING, FORWARD, BACKWARD), (STEPS, *2 * [steps // BATCH]), strict=True):
        operations, views, _ = watching.spent[piece] / calls
        counts |= {key: float(np.round(operations, 1)), f"{key} views": float(np.round(views, 1))}
    return counts, asked_for_c


@contextmanager
def without_c() -> Iterator[None]:
    """Switch the C code off for a while."""
    with mock.patch.dict(os.environ, {"ENGRAM_NATIVE": "0"}):
        build.build.cache_clear()
        try:
            yield
        finally:
            build.build.cache_clear()


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _is_ours(cls: type[Any]) -> bool:
    return cls.__module__.startswith("engram.")


def ceilings() -> dict[str, Any]:
    """Return the numbers that were recorded: way -> case -> pass -> operations, views included; and torch's version."""
    recorded: dict[str, Any] = json.loads(CEILINGS.read_text(encoding="utf-8"))
    return recorded


def totals(name: str, way: str) -> Counts:
    """Return operations and views together, pass by pass: what is held from rising."""
    found = count(name, way)
    return {key: found[key] + found[f"{key} views"] for key in PASSES}


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.speed.operations", __doc__)
    parser.add_argument("--record", action="store_true", help=f"write the numbers of now to {CEILINGS.name}")
    options = parser.parse_args()
    found = {way: {name: totals(name, way) for name in cases()} for way in WAYS}
    for way, listed in found.items():
        print(f"{'operations and views ' + WAYS[way]:<40}{''.join(f'{key:>10}' for key in PASSES)}")
        for name, numbers in listed.items():
            print(f"{name:<40}{''.join(f'{numbers[key]:>10,.1f}' for key in PASSES)}")
    if options.record:
        write_json(CEILINGS, {"torch": torch.__version__.split("+")[0], **found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
