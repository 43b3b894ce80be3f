"""Compares one process with two that train one agent (`torchrun`): steps until the task is solved, and steps a second.

    python -m benchmarks.processes
    python -m benchmarks.processes --seeds 0 1 --words experiment=default

Both have the same envs, minibatches and budget; two processes have half of the envs each. The table says after how many
steps 95 % of the episodes of a training were first successful, by seed, and how many steps were taken a second.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.arguments import count, make_parser, seed
from engram.tracking import RunFolder

ROOT = Path(__file__).parent.parent
REACHED = 0.95
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


class Trained(NamedTuple):
    """What one training came to."""

    steps: float  # until it was solved, infinite if it was not
    per_second: float


def command(processes: int, words: Sequence[str], seed: int, runs: Path) -> list[str]:
    """Return the command line of a training."""
    several = [] if processes == 1 else [*TORCHRUN, str(processes)]
    name = f"processes{processes}"
    ours = [f"seed={seed}", f"name={name}", f"runs_dir={runs}", "tracking=disabled", "eval.final_episodes=0"]
    return [sys.executable, *several, "train.py", *words, *ours]


def outcome(run: Path) -> Trained:
    """Read what a training came to from its metrics."""
    with RunFolder(run).metrics.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("rollout/success_rate") and row.get("time/fps")]
    solved = (row for row in rows if float(row["rollout/success_rate"]) >= REACHED)
    first = next(solved, None)
    steps = float("inf") if first is None else float(first["time/total_timesteps"])
    return Trained(steps, median(float(row["time/fps"]) for row in rows))


def trained(processes: int, words: Sequence[str], number: int, runs: Path) -> Trained:
    """Train, unless that has been done, and return what the training came to."""
    folders = runs / f"processes{processes}"
    if not any(folders.glob(f"seed{number}-*")):
        subprocess.run(command(processes, words, number, runs), cwd=ROOT, check=True)
    return outcome(max(folders.glob(f"seed{number}-*")))


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.processes", __doc__)
    parser.add_argument("--words", nargs="+", default=["experiment=tmaze_short"], help="of train.py (%(default)s)")
    parser.add_argument("--processes", type=count, default=2, help="to compare with one (default: %(default)s)")
    parser.add_argument("--seeds", nargs="+", type=seed, default=[0, 1, 2, 3, 4], help="(default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs/processes"), help="folder of the runs (%(default)s)")
    options = parser.parse_args()
    runs = options.runs.resolve()
    table = Table("processes", *(f"seed {each}" for each in options.seeds), "median steps", "steps a second")
    try:
        for number in (1, options.processes):
            found = [trained(number, options.words, each, runs) for each in options.seeds]
            steps = [each.steps for each in found]
            rate = median(each.per_second for each in found)
            table.add_row(str(number), *(f"{each:,.0f}" for each in steps), f"{median(steps):,.0f}", f"{rate:,.0f}")
    except subprocess.CalledProcessError as error:
        print(f"processes: {' '.join(error.cmd[1:])} ended with {error.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the next run", file=sys.stderr)
        return 130
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
