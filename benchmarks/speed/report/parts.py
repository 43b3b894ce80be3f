"""The parts of the benchmark, in the order in which they run and stand on the page."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from benchmarks.speed.report.result import Table
from benchmarks.speed.session import Session


class Part(NamedTuple):
    """One part; its module `benchmarks.speed.NAME` has a function `measure`."""

    name: str
    title: str
    text: str
    """What is measured, for the page."""
    seconds: float
    """How long it takes, about."""
    quick_seconds: float
    figure: str = ""
    """What the figure shows, for those who cannot see it; empty if there is none."""

    def measure(self, session: Session) -> list[Table]:
        """Measure it.

        Raises:
            Missing: if it cannot run here.
        """
        tables: list[Table] = import_module(f"benchmarks.speed.{self.name}").measure(session)
        return tables


PARTS = (
    Part(
        "training",
        "Training",
        "The whole process of a training: MiniGrid-MemoryS13Random-v0 with a view of 7 × 7, all seven actions, 16 envs "
        "× 128 steps, 4 epochs, minibatches of 512; ours with chunks of 32 steps and an LSTM (or GRU) of 128. The peer "
        "is sb3-contrib's `RecurrentPPO` with an LSTM of 128 and no other layers, on the stock env behind "
        "`ImgObsWrapper`, flattened, in a `DummyVecEnv`. PPO without recurrence stands there for comparison: it has no "
        "bar, and cannot solve the task. RecurrentPPO is up to three times faster in iterations in which hardly an "
        "episode begins, which are among the first of a training; the last column compares with the fastest of its "
        "turns.",
        200,
        15,
        "Training speed of each agent as a multiple of RecurrentPPO's, with the bars",
    ),
    Part(
        "iteration",
        "Where the time goes",
        "One iteration of the same agents. *Forward* lasts from the policy's evaluation to the loss. The learner's "
        "FLOPs are those of its matrix products, forward and backward, by the formulas of `torch.utils.flop_counter`, "
        "counted without C code, since nobody counts what C computes; elementwise operations are not in it. The plain "
        "product is of two 1024 × 1024 matrices, on the same thread and in the same turns.",
        110,
        15,
        "CPU time of one env step, as a stacked bar for each agent",
    ),
    Part(
        "operations",
        "Operations",
        "What torch dispatches on a fixed script of observations: these numbers do not depend on the machine, and a "
        "test holds them from rising. The acting step is of 64 envs, the learning pass over 16 chunks of 32 steps. "
        "Views compute nothing and stand apart. What is counted is every registered controller alone, and every "
        "memory behind an LSTM.",
        25,
        25,
        "Operations of an acting step and of a learning pass for each controller and memory",
    ),
    Part(
        "acting",
        "Acting",
        "`policy.act` while a rollout of the task above is collected with 64 envs; and `predict` with one env early "
        "and late in an episode whose events all differ.",
        150,
        10,
        "Milliseconds of an acting step for each memory",
    ),
    Part(
        "slots",
        "Slots",
        "The episodic memory with more and more slots, all of them full of different events; reads are dense where "
        "nothing else is said. Acting is `predict` with one env, the training step an update on one minibatch of 8 "
        "envs × 64 steps. Ratios are to the smaller memory that reads in the same way.",
        150,
        15,
        "Milliseconds of an acting step and of a training step over the number of slots",
    ),
    Part(
        "old_commit",
        "Against an earlier commit",
        "The default experiment, with the envs, steps, batch, epochs and sizes that it had at e56b832, here and there: "
        "two processes that take turns.",
        55,
        25,
    ),
    Part(
        "peak_memory",
        "Memory of the process",
        "The most that a training has held: 64 slots, 64 envs × 512 steps, 7 × 7 symbols, with the packages in it. A "
        "GB is 10⁹ bytes.",
        25,
        15,
    ),
    Part(
        "envs",
        "Environments",
        "Steps per second of all copies together under random play. Grid tasks: ours beside stock MiniGrid with the "
        "same ids, view and actions. T-Maze: our `VecEnv` beside a `DummyVecEnv` of the same envs.",
        70,
        20,
        "How many times faster each environment steps than its peer",
    ),
    Part(
        "batched_envs",
        "Batched environments",
        "Our own tasks stepped one by one in a `DummyVecEnv`, and as one batch, which returns the same to the last "
        "bit. *Forward* walks straight on in 70 % of its steps. The time of resets is part of a step, and stands "
        "alone, too.",
        95,
        10,
    ),
    Part(
        "chunks",
        "A sequence at once",
        "Learning from a sequence at once, beside our own plain loop over time, which is its definition.",
        35,
        12,
        "How many times faster a sequence is learned at once than by the loop",
    ),
    Part(
        "memories",
        "The DNC beside a published package",
        "A learning step of our DNC beside that of the package `dnc`, with equal sizes.",
        15,
        6,
    ),
)
NAMES = tuple(part.name for part in PARTS)
