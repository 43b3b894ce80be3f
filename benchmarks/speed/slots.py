"""What an acting step and a training step cost with more and more slots, all of them full of different events.

A row is one line of `ROWS`: the slots, and the other arguments of the memory. Acting is `predict` with one env; the
training step is an update on one minibatch of 8 envs × 64 steps, the optimizer's step included. Observations are random
vectors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.acting import VECTOR, Predicted
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session, ratios
from benchmarks.speed.subjects.agents import Ours, make_ours
from benchmarks.speed.subjects.scripted import scripted_env
from engram.agents import AgentState, MemoryPPO
from engram.memory import tree_map


class Slots(NamedTuple):
    """One row of the table."""

    slots: int
    others: Mapping[str, Any] = {}
    """What else the memory is given."""
    in_quick: bool = True

    @property
    def name(self) -> str:
        """Return what the row is called."""
        return ", ".join([f"{self.slots:,} slots", *map(str, self.others.values())])


SPARSE = {"read": "sparse"}
ROWS = (
    Slots(64),
    Slots(256),
    Slots(1024),
    Slots(4096, in_quick=False),
    Slots(64, SPARSE),
    Slots(256, SPARSE),
    Slots(4096, SPARSE),
    Slots(65_536, SPARSE, in_quick=False),
)
ACTING_BASE, TRAINING_BASE = 64, 256
N_ENVS, STEPS = 8, 64
PIECE = {"dense": 256, "sparse": 2048}
"""Steps at once while slots are filled: a dense read is of all slots at every step."""


def measure(session: Session) -> list[Table]:
    """Return one table."""
    rows = {row.name: row for row in ROWS if row.in_quick or not session.quick}
    acting: dict[str, Callable[[], float]] = {}
    training: dict[str, Callable[[], float]] = {}
    for name, row in rows.items():
        session.tell(f"{name}: filling them")
        model = make_ours(
            Ours("episodic", {"slots": row.slots, **row.others}),
            scripted_env(VECTOR, N_ENVS, kinds=0, lengths=(10**9,)),
            n_steps=STEPS,
            chunk_length=STEPS,
            batch_size=N_ENVS * STEPS,
            n_epochs=1,
        )
        full = filled(model, row.slots, PIECE[row.others.get("read", "dense")])
        acting[name] = Predicted(model, full)
        model.learn(1)  # begins the episodes; from now on they go on with full slots
        model._state = tree_map(lambda leaf: leaf.repeat(N_ENVS, *[1] * (leaf.dim() - 1)), full)
        model.learn(1, reset_num_timesteps=False)
        training[name] = partial(_update, model)
    steps = session.in_turns(acting, session.rounds(7, 1))
    updates = session.in_turns(training, session.rounds(7, 1))
    table = []
    for name, row in rows.items():
        small, middle = (row._replace(slots=slots).name for slots in (ACTING_BASE, TRAINING_BASE))
        cells = {
            "acting": steps[name],
            "acting ratio": ratios(steps[name], steps[small]),
            "training": updates[name],
            "training ratio": ratios(updates[name], updates[middle]),
        }
        table.append(Row(name=name, cells=cells))
    headings = {
        "acting": "acting, ms",
        "acting ratio": f"times {ACTING_BASE} slots",
        "training": "training, ms",
        "training ratio": f"times {TRAINING_BASE} slots",
    }
    return [Table(name="slots", title="Full slots, ms of CPU time", columns=headings, rows=table)]


@torch.no_grad()
def filled(model: MemoryPPO, slots: int, piece: int) -> AgentState:
    """Return the state of one env whose slots are full of random observations, [1, ...].

    Which slot each event takes is given, one after the other, as it would be decided, so that many steps go at once.

    Args:
        model: the agent.
        slots: N.
        piece: steps at once.
    """
    policy, random = model.policy, np.random.default_rng(1)
    state = policy.initial_state(1)
    core, first, done = state.core, None, 0
    while done < slots:
        length = 1 if first is None else min(piece, slots - done)
        observations = torch.as_tensor(random.standard_normal((length, 1, *VECTOR.shape)).astype(np.float32))
        starts = torch.zeros(length, 1, dtype=torch.bool)
        starts[0] = done == 0
        decisions: Any = None
        if first is not None:  # found nothing, since nothing was stored
            taken = torch.arange(done, done + length).unsqueeze(1)
            decisions = tree_map(lambda leaf, length=length: leaf.expand(length, *leaf.shape[1:]), first)
            decisions = taken if isinstance(first, Tensor) else decisions._replace(slot=taken)
        previous = state.previous_action.expand(length, *state.previous_action.shape)
        unrolled = policy.core.unroll(policy.events(observations, previous, starts), core, starts, decisions)
        core, first = unrolled.state, unrolled.decisions if first is None else first
        done += length
    memory: Any = core.memory
    if not bool(memory.filled.all()):
        raise RuntimeError(f"{int(memory.filled.sum())} of {slots} slots were filled")
    return state._replace(core=core)


def _update(model: MemoryPPO) -> float:
    begin = time.process_time()
    model.train()
    return 1e3 * (time.process_time() - begin)
