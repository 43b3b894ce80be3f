"""What an acting step and a training step cost with more and more slots, all of them full of different events.

A row is one line of `ROWS`: a name, and the arguments of the memory. Acting is `predict` with one env; the training
step is an update on one minibatch of 8 envs × 64 steps, the optimizer's step included. Observations are random vectors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from benchmarks.speed.acting import VECTOR, Predicted, state_after
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session, ratios
from benchmarks.speed.subjects.agents import Ours, make_ours
from benchmarks.speed.subjects.scripted import scripted_env
from engram.agents import MemoryPPO
from engram.memory import tree_map


class Slots(NamedTuple):
    """One row of the table."""

    name: str
    memory_kwargs: dict[str, Any]
    in_quick: bool = True


ROWS = (
    Slots("64", {"slots": 64}),
    Slots("256", {"slots": 256}),
    Slots("1,024", {"slots": 1024}),
    Slots("4,096", {"slots": 4096}, in_quick=False),
)
N_ENVS, STEPS = 8, 64


def measure(session: Session) -> list[Table]:
    """Return one table."""
    rows = [row for row in ROWS if row.in_quick or not session.quick]
    acting: dict[str, Callable[[], float]] = {}
    training: dict[str, Callable[[], float]] = {}
    for row in rows:
        session.tell(f"{row.name} slots: filling them")
        model = make_ours(
            Ours("episodic", row.memory_kwargs),
            scripted_env(VECTOR, N_ENVS, kinds=0, lengths=(10**9,)),
            n_steps=STEPS,
            chunk_length=STEPS,
            batch_size=N_ENVS * STEPS,
            n_epochs=1,
        )
        full = state_after(model, row.memory_kwargs["slots"] + 1)
        acting[row.name] = Predicted(model, full)
        model.learn(1)  # begins the episodes; from now on they go on with full slots
        model._state = tree_map(lambda leaf: leaf.repeat(N_ENVS, *[1] * (leaf.dim() - 1)), full)
        model.learn(1, reset_num_timesteps=False)
        training[row.name] = partial(_update, model)
    steps = session.in_turns(acting, session.rounds(5, 1))
    updates = session.in_turns(training, session.rounds(5, 1))
    smallest = rows[0].name
    table = [
        Row(
            name=f"{name} slots",
            cells={
                "acting": steps[name],
                "acting ratio": ratios(steps[name], steps[smallest]),
                "training": updates[name],
                "training ratio": ratios(updates[name], updates[smallest]),
            },
        )
        for name in steps
    ]
    headings = {
        "acting": "acting, ms",
        "acting ratio": f"times {smallest} slots",
        "training": "training, ms",
        "training ratio": f"times {smallest} slots",
    }
    return [Table(name="slots", title="Full slots, ms of CPU time", columns=headings, rows=table)]


def _update(model: MemoryPPO) -> float:
    begin = time.process_time()
    model.train()
    return 1e3 * (time.process_time() - begin)
