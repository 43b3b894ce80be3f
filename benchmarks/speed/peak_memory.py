"""Peak memory of a process that trains: 64 slots, 64 envs × 512 steps, 7 × 7 symbols.

A process of its own learns for two iterations (with one epoch each, since epochs need no more), with the default sizes
of everything else. A gigabyte is 10^9 bytes; the library and the packages are in it.
"""

from __future__ import annotations

from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.session import Session
from benchmarks.speed.workers.worker import Worker

MODULE = "benchmarks.speed.workers.peak_memory"


def measure(session: Session) -> list[Table]:
    """Return one table."""
    rows = []
    with Worker(MODULE) as worker:
        for name in ("imported", "built", "after one iteration", "after two iterations"):
            session.tell(f"peak memory: {name}")
            rows.append(Row(name=name, cells={"gigabytes": [worker.ask()["bytes"] / 1e9]}))
            if session.quick and name == "after one iteration":
                break
    columns = {"gigabytes": "GB at most until then"}
    return [Table(name="peak", title="Peak memory of a training", columns=columns, rows=rows)]
