"""Acting: what a step costs with the episodic memory beside none, and early and late in an episode.

The first is `policy.act` while a rollout of the common task is collected with 64 envs. The second is `predict` with one
env whose observations are random vectors, so that every event is new; the late state is reached by running the core
over all the steps before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session, ratios
from benchmarks.speed.subjects.agents import CHUNK, OURS, Ours, make_ours, our_env
from benchmarks.speed.subjects.scripted import random_observation, scripted_env
from benchmarks.speed.subjects.watched import ACTING, COLLECTION, ENV, watch
from engram.agents import AgentState, MemoryPPO
from engram.memory import State

ALONE = "LSTM, no memory"
N_ENVS, STEPS = 64, 64
VECTOR = spaces.Box(-8.0, 8.0, (16,), np.float32)
EARLY, MIDDLE, LATE = 10, 1_000, 100_000
PREDICTED = 40  # steps of a turn
PIECE = 256  # steps at once on the way to a late state


def measure(session: Session) -> list[Table]:
    """Return two tables: the step beside that without a memory, and the step along an episode."""
    names = [name for name, agent in OURS.items() if agent.controller == "lstm"]
    if session.quick:
        names = names[:2]
    models = {
        name: make_ours(OURS[name], our_env(N_ENVS), n_steps=STEPS, batch_size=STEPS * N_ENVS, n_epochs=1)
        for name in names
    }
    turns = {name: lambda model=model: _collected(model) for name, model in models.items()}
    taken = session.in_turns(turns, session.rounds(7, 1))
    rows = []
    for name, found in taken.items():
        cells: dict[str, list[float]] = {}
        for column, ratio in (("step", "ratio"), ("collected", "collected ratio")):
            cells[column] = [turn[column] for turn in found]
            cells[ratio] = ratios(cells[column], [turn[column] for turn in taken[ALONE]])
        rows.append(Row(name=name, cells=cells))
    step = Table(
        name="step",
        title=f"A step of {N_ENVS} envs while a rollout is collected, ms of CPU time",
        columns={
            "step": "acting",
            "ratio": "times the LSTM alone",
            "collected": "acting, envs and recording",
            "collected ratio": "times the LSTM alone",
        },
        rows=rows,
    )
    return [step, _along_an_episode(session)]


def _collected(model: MemoryPPO) -> dict[str, float]:
    """Collect a rollout; return the milliseconds of a step of all envs."""
    with watch(model) as watching:
        model.learn(STEPS * N_ENVS, reset_num_timesteps=False)
    acting, env, others = (1e3 * float(watching.spent[piece][0]) / STEPS for piece in (ACTING, ENV, COLLECTION))
    return {"step": acting, "collected": acting + env + others}


def _along_an_episode(session: Session) -> Table:
    late = LATE // 50 if session.quick else LATE
    rows = []
    for memory in ("none", "episodic") if session.quick else ("none", "episodic", "fast_weight", "dnc"):
        name = "LSTM alone" if memory == "none" else f"LSTM, {memory}"
        model = make_ours(Ours(memory), scripted_env(VECTOR, 1, kinds=0), n_steps=CHUNK, batch_size=CHUNK)
        turns: dict[str, Callable[[], float]] = {}
        for steps in (EARLY, MIDDLE, late):
            session.tell(f"{name}: playing {steps:,} steps")
            turns[str(steps)] = Predicted(model, state_after(model, steps))
        taken = session.in_turns(turns, session.rounds(9, 3))
        cells = dict(zip(("early", "middle", "late"), taken.values(), strict=True))
        rows.append(Row(name=name, cells={**cells, "ratio": ratios(cells["late"], cells["early"])}))
    return Table(
        name="flat",
        title="A step of one env along an episode, ms of CPU time",
        columns={
            "early": f"at step {EARLY}",
            "middle": f"at step {MIDDLE:,}",
            "late": f"at step {late:,}",
            "ratio": f"times that at step {EARLY}",
        },
        rows=rows,
    )


@dataclass
class Predicted:
    """What does a turn of `predict`, always from the same state on, and returns the milliseconds of a step."""

    model: MemoryPPO
    state: AgentState

    def __call__(self) -> float:
        random, state = np.random.default_rng(0), self.state
        observations = random.standard_normal((PREDICTED, 1, *VECTOR.shape)).astype(np.float32)
        _, state = self.model.predict(observations[0], state)  # encodes all slots anew, as after a restart
        begin = time.process_time()
        for observation in observations[1:]:
            _, state = self.model.predict(observation, state)
        return 1e3 * (time.process_time() - begin) / (PREDICTED - 1)


@torch.no_grad()
def state_after(model: MemoryPPO, steps: int) -> AgentState:
    """Return the state of one env after so many steps of an episode with random observations, [1, ...]."""
    policy, random = model.policy, np.random.default_rng(1)
    state = policy.initial_state(1)
    core, done = state.core, 0
    while done < steps:
        length = min(PIECE, steps - done)
        drawn = [random_observation(cast(VecEnv, model.env).observation_space, random) for _ in range(length)]
        observations: State = torch.as_tensor(np.stack(drawn)).unsqueeze(1)
        starts = torch.zeros(length, 1, dtype=torch.bool)
        starts[0] = done == 0
        previous: Any = state.previous_action.expand(length, *state.previous_action.shape)
        core = policy.core.unroll(policy.events(observations, previous, starts), core, starts).state
        done += length
    return state._replace(core=core)
