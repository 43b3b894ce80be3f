"""One read of a memory that is full of different events: sparse beside dense, forward and backward, in turns.

    python -m benchmarks.scale.reads                            # 2^20 slots; dense at 2^16, and from there on linearly
    python -m benchmarks.scale.reads --slots 65536 --dense-slots 65536

A read is that of a chunk of 32 steps in one row, with vectors as observations, one head and a width of 64. To the
sparse read belongs all that it takes: the chunk's share of the making of what is searched, which is made once in a
rollout, the 32 searches, the plan, and learning, which is forward and backward through what was found. To the dense
read belong the plan, and forward and backward through all events; that a dense agent has to act as well is left out.

How large the share is depends on the rollout. To fill a million slots takes an episode of as many steps, for which
rollouts of 1,024 steps (`n_steps=1024`, 32 chunks) are short; with rollouts of 128 steps, as for tasks of a few hundred
steps, a quarter is counted. Both are printed. Acting is measured over four chunks.

Times are CPU times. Memory is the most that the process takes beyond what it had when the events, and for the sparse
read the keys, were there (Linux only).
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.arguments import count, make_parser
from engram.memory import Core, State
from engram.memory.core import CoreState
from engram.memory.episodic.event_log import fresh
from engram.memory.event_hash import event_hash
from engram.memory.state import concatenate

WIDTH, VECTOR, STEPS, K = 64, 16, 32, 16
ROLLOUTS = 1024, 128
"""Steps over which the making of what is searched is spread."""
ACTED = 4
"""Chunks that are acted."""
_SELF = Path("/proc/self")


class Built(NamedTuple):
    """A full memory, ready to be searched."""

    state: CoreState
    cache: Any


class Subject:
    """A core with a full memory, and a chunk of events before which it reads.

    Args:
        slots: N.
        read: "dense" or "sparse".
    """

    def __init__(self, slots: int, read: str) -> None:
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Linear(VECTOR, WIDTH), nn.Tanh())
        sizes = {"slots": slots, "heads": 1, "key_size": WIDTH, "value_size": WIDTH, "read": read, "k": K}
        self.core = Core(
            encoder, torch.zeros(1, VECTOR), WIDTH, "feedforward", "episodic", {"hidden_size": WIDTH}, sizes
        )
        stored, births = torch.randn(1, slots, VECTOR), torch.arange(slots).unsqueeze(0)
        filled = torch.ones(1, slots, dtype=torch.bool)
        memory = fresh(stored, births, event_hash(stored), filled, torch.tensor([slots]))
        self.state = self.core.initial_state(1)._replace(memory=memory)
        length = 1 + ACTED * STEPS
        self.events, self.starts = torch.randn(length, 1, VECTOR), torch.zeros(length, 1, dtype=torch.bool)

    @torch.no_grad()
    def build(self) -> Built:
        """Make what is searched, and take one step."""
        step = self.core.unroll(self.events[:1], self.state, self.starts[:1])
        return Built(step.state, step.cache)

    @torch.no_grad()
    def act(self, built: Built) -> State:
        """Take the steps of the chunks, each with a search; return what was decided in the first one."""
        (state, cache), made = built, []
        for event, start in zip(self.events[1:].unsqueeze(1), self.starts[1:].unsqueeze(1), strict=True):
            step = self.core.unroll(event, state, start, None, cache)
            state, cache = step.state, step.cache
            made.append(step.decisions)
        decided: State = concatenate(made[:STEPS])
        return decided

    def learn(self, state: CoreState, decisions: State) -> None:
        """Read along the recorded chunk, forward and backward."""
        steps = slice(1, 1 + STEPS)
        events, chunk = self.core.plan(self.events[steps], [state], self.starts[steps], decisions)
        self.core.replay(events, chunk).features.sum().backward()
        self.core.zero_grad()


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds, and what the work returns."""
    gc.collect()
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def megabytes(work: Callable[[], Any]) -> float:
    """Return the most memory that work takes beyond what is there, in a copy of this process."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        (_SELF / "clear_refs").write_text("5", encoding="ascii")  # the peak is that from now on
        before = _kilobytes("VmRSS")
        work()
        os.write(send, str(_kilobytes("VmHWM") - before).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, encoding="ascii") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text) / 1e3


def _kilobytes(name: str) -> int:
    line = next(line for line in (_SELF / "status").read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1])


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.scale.reads", __doc__)
    parser.add_argument("--slots", type=count, default=2**20, help="of the sparse memory (default: %(default)s)")
    parser.add_argument("--dense-slots", type=count, default=2**16, help="of the dense one (default: %(default)s)")
    parser.add_argument("--rounds", type=count, default=3, help="turns of each (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sparse, half, dense = (
        Subject(options.slots, "sparse"),
        Subject(options.dense_slots // 2, "dense"),
        Subject(options.dense_slots, "dense"),
    )
    given = torch.arange(STEPS).unsqueeze(1)  # the slots that a dense memory's events take
    names = ("build", "act", "learn", "half", "dense", *map(str, ROLLOUTS))
    rows: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-1, options.rounds):
        build, built = seconds(sparse.build)
        act, made = seconds(partial(sparse.act, built))
        learn, _ = seconds(partial(sparse.learn, built.state, made))
        taken = {"build": build, "act": act / ACTED, "learn": learn}
        taken |= {str(rollout): build * STEPS / rollout + act / ACTED + learn for rollout in ROLLOUTS}
        for name, subject in (("half", half), ("dense", dense)):
            taken[name], _ = seconds(partial(subject.learn, subject.state, given))
        for name, value in taken.items():
            if turn >= 0:
                rows[name].append(value)
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    times = options.slots / options.dense_slots
    print(
        f"sparse, {options.slots:,} slots, seconds of CPU time: what is searched is made in {told(rows['build'])}, "
        f"{STEPS} steps take {told(rows['act'])}, learning {told(rows['learn'])}"
    )
    print(f"dense, {options.dense_slots // 2:,} slots: {told(rows['half'])}")
    print(f"dense, {options.dense_slots:,} slots: {told(rows['dense'])}; {options.slots:,} take {times:g} times that")
    for rollout in ROLLOUTS:
        chunks = rows[str(rollout)]
        faster = [times * value / other for value, other in zip(rows["dense"], chunks, strict=True)]
        print(f"a sparse read, rollouts of {rollout:,} steps: {told(chunks)}, {told(faster)} times faster than dense")
    used = {
        "act": megabytes(partial(sparse.act, built)),
        "learn": megabytes(partial(sparse.learn, built.state, made)),
        "dense": megabytes(partial(dense.learn, dense.state, given)),
        "half": megabytes(partial(half.learn, half.state, given)),
    }
    most = max(used["act"], used["learn"])
    print(
        f"memory, MB: sparse {used['act']:.1f} in acting, {used['learn']:.1f} in learning; "
        f"dense {used['half']:.0f} and {used['dense']:.0f} at these sizes, "
        f"{used['dense'] * times:.0f} at {options.slots:,}: {used['dense'] * times / most:.0f} times as much"
    )
    return 0


def told(values: list[float]) -> str:
    """Return median and range."""
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    sys.exit(main())
