"""Where the time of one iteration goes, and how much of the learner's is arithmetic.

The learner's FLOPs are those of its matrix products, forward and backward, by the formulas of
`torch.utils.flop_counter`, counted in an iteration of its own without C code (what C computes, nobody counts);
elementwise operations are not in it. The share is that of a plain product of two 1024 × 1024 matrices.
"""

from __future__ import annotations

import time

import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from benchmarks.speed.operations import without_c
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session, ratios
from benchmarks.speed.subjects.agents import OURS, makers
from benchmarks.speed.subjects.watched import BACKWARD, FORWARD, PIECES, Arithmetic, watch

SIDE = 1024
PRODUCT = "a plain product"


def measure(session: Session) -> list[Table]:
    """Return two tables: microseconds of each piece per env step, and the learner's arithmetic."""
    makes = makers()
    if session.quick:
        makes = dict(list(makes.items())[:4])
    models = {name: make() for name, make in makes.items()}
    seconds = session.in_turns(
        {**{name: lambda model=model: _pieces(model) for name, model in models.items()}, PRODUCT: _product},  # type: ignore[misc]
        session.rounds(5, 1),
        warm_up=not session.quick,
    )
    plain = [found[PRODUCT] for found in seconds.pop(PRODUCT)]
    profile = [
        Row(name=name, cells={piece: [1e6 * found[piece] for found in turns] for piece in PIECES})
        for name, turns in seconds.items()
    ]
    learner = [Row(name=PRODUCT, cells={"speed": plain})]
    for name, turns in seconds.items():
        if name in OURS:
            session.tell(f"{name}: counting")
            flops = _flops(models[name])
            speed = [flops / (found[FORWARD] + found[BACKWARD]) / 1e9 for found in turns]
            share = [100 * ratio for ratio in ratios(speed, plain)]
            learner.append(Row(name=name, cells={"flops": [flops / 1e6], "speed": speed, "share": share}))
    headings = {"flops": "MFLOP per env step", "speed": "GFLOP/s", "share": "% of a plain product"}
    return [
        Table(
            name="profile",
            title="One iteration, microseconds of CPU time per env step",
            columns={piece: piece for piece in PIECES},
            rows=profile,
        ),
        Table(name="learner", title="Arithmetic of the learner", columns=headings, rows=learner),
    ]


def _pieces(model: OnPolicyAlgorithm) -> dict[str, float]:
    """Return the seconds of each piece per env step."""
    steps = model.n_steps * model.n_envs
    with watch(model) as watching:
        model.learn(steps, reset_num_timesteps=False)
    return {piece: float(watching.spent[piece][0]) / steps for piece in PIECES}


def _flops(model: OnPolicyAlgorithm) -> float:
    """Return the FLOPs of learning per env step."""
    steps = model.n_steps * model.n_envs
    with without_c(), Arithmetic() as counted, watch(model, counted.read) as watching:
        model.learn(steps, reset_num_timesteps=False)
    return float(watching.spent[FORWARD][2] + watching.spent[BACKWARD][2]) / steps


def _product() -> dict[str, float]:
    """Return the GFLOP/s of a plain product."""
    one, other = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    out = torch.empty(SIDE, SIDE)
    repeats, begin = 12, time.process_time()
    for _ in range(repeats):
        torch.mm(one, other, out=out)
    return {PRODUCT: repeats * 2 * SIDE**3 / (time.process_time() - begin) / 1e9}
