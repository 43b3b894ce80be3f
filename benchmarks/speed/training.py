"""Training speed of the whole process, ours with each memory beside RecurrentPPO and PPO without recurrence.

A turn is two iterations: 128 steps of 16 envs and 4 epochs over them, twice. RecurrentPPO is up to three times faster
in an iteration in which hardly an episode begins, such as its third, than in all later ones: so ours is compared with
its fastest turn, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session, ratios
from benchmarks.speed.subjects.agents import PEER, makers


def measure(session: Session) -> list[Table]:
    """Return one table: env steps per CPU second of every agent, and their ratios to RecurrentPPO."""
    models = {}
    for name, make in makers().items():
        session.tell(f"{name}: building")
        models[name] = make()
    iterations = 1 if session.quick else 2
    turns = {name: turn_of(model, iterations) for name, model in models.items()}
    speeds = session.in_turns(turns, session.rounds(8, 1), warm_up=not session.quick)
    fastest = max(speeds[PEER])
    rows = [
        Row(
            name=name,
            cells={
                "speed": values,
                "ratio": ratios(values, speeds[PEER]),
                "least": [value / fastest for value in values],
            },
        )
        for name, values in speeds.items()
    ]
    columns = {
        "speed": "env steps per CPU second",
        "ratio": f"times {PEER}",
        "least": "times its fastest turn",
    }
    return [Table(name="speed", title="Training, whole process", columns=columns, rows=rows)]


def turn_of(model: OnPolicyAlgorithm, iterations: int) -> Callable[[], float]:
    """Return what does some iterations and returns their env steps per CPU second."""

    def turn() -> float:
        before, begin = model.num_timesteps, time.process_time()
        model.learn(iterations * model.n_steps * model.n_envs, reset_num_timesteps=False)
        return (model.num_timesteps - before) / (time.process_time() - begin)

    return turn
