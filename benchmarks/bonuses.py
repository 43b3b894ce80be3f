"""Trains two mazes with each bonus for exploration, and writes a table of each maze.

    python -m benchmarks.bonuses
    python -m benchmarks.bonuses --mazes room --bonuses sights rnd --seeds 0 1

What has been trained and evaluated is not trained again, so that it may be stopped at any time and goes on with the
next run. All agents see odometry, which `places` needs; `none` is the control without a bonus. Tables and their
fragments are written anew after each run, in the form of `python -m benchmarks.results`. A note says after how many
steps 90 % were first reached in validation.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from benchmarks.arguments import count, make_parser, seed
from benchmarks.results import row_of
from benchmarks.results_table import Table
from engram.agents import BONUSES
from engram.tracking import RunFolder
from engram.tracking.atomic import write_json, write_text

ROOT = Path(__file__).parent.parent
MAZES = {
    "room": ("Bonuses for exploration, Engram-RoomS11-v0 with odometry", ("experiment=default",)),
    "maze_sequence": ("Bonuses for exploration, maze sequence with odometry", ("experiment=maze_sequence",)),
}
"""Name -> title of its table, and what is asked of train.py."""
NO_BONUS = "none"
REACHED = 0.9
"""Success in validation that the note names."""


def command(maze: str, bonus: str, seed: int, runs: Path, steps: int | None) -> list[str]:
    """Return the command line of a run."""
    return [
        *(sys.executable, "train.py", *MAZES[maze][1], "env.odometry=true"),
        "ppo.novelty_coef=0" if bonus == NO_BONUS else f"ppo.bonus={bonus}",
        *([] if steps is None else [f"total_timesteps={steps}"]),
        *(f"seed={seed}", f"name={maze}-{bonus}", f"runs_dir={runs}", "tracking=disabled", "eval.film=false"),
    ]


def evaluated(maze: str, bonus: str, seed: int, runs: Path) -> Path | None:
    """Return the folder of the latest run that was trained and evaluated; None if there is none."""
    found = (runs / f"{maze}-{bonus}").glob(f"seed{seed}-*")
    return max((path for path in found if RunFolder(path).evaluation.is_file()), default=None)


def reached_after(run: Path) -> str:
    """Return after how many steps a run first had so much success in validation, in words."""
    with RunFolder(run).metrics.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line.get("eval/success_rate") and float(line["eval/success_rate"]) >= REACHED:
                return f"{float(line['time/total_timesteps']) / 1e6:.2f}M"
    return "never"


def table_of(maze: str, bonuses: Sequence[str], seeds: Sequence[int], runs: Path) -> Table:
    """Return the table of a maze, with a row for each bonus of which there are runs.

    Raises:
        ValueError: if the runs of a bonus are not of one kind.
    """
    table = Table(MAZES[maze][0])
    for bonus in bonuses:
        there = [path for seed in sorted(set(seeds)) if (path := evaluated(maze, bonus, seed, runs))]
        if there:
            row = row_of(bonus, there)
            row.note = f"First {REACHED:.0%} in validation, of each seed: {', '.join(map(reached_after, there))}."
            table.put(row)
    return table


def missing(
    mazes: Sequence[str], bonuses: Sequence[str], seeds: Sequence[int], runs: Path
) -> Iterator[tuple[str, str, int]]:
    """Yield maze, bonus and seed of the runs that are to be made: all of one seed before the next seed."""
    for number, maze, bonus in product(seeds, mazes, bonuses):
        if evaluated(maze, bonus, number, runs) is None:
            yield maze, bonus, number


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.bonuses", __doc__)
    names = [NO_BONUS, *BONUSES]
    parser.add_argument("--mazes", nargs="+", choices=MAZES, default=[*MAZES], help="(default: %(default)s)")
    parser.add_argument("--bonuses", nargs="+", choices=names, default=names, help="(default: %(default)s)")
    parser.add_argument("--seeds", nargs="+", type=seed, default=[0, 1, 2, 3, 4], help="(default: %(default)s)")
    parser.add_argument("--steps", type=count, help="of each run (default: those of the experiment)")
    parser.add_argument("--runs", type=Path, default=Path("runs/bonuses"), help="folder of the runs (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder of the tables (%(default)s)")
    options = parser.parse_args()
    runs, out = options.runs.resolve(), options.out.resolve()

    def write_tables() -> None:
        for maze in options.mazes:
            table = table_of(maze, options.bonuses, options.seeds, runs)
            if table.rows:
                write_json(out / f"bonuses_{maze}.json", asdict(table))
                write_text(out / f"bonuses_{maze}.md", table.markdown())

    try:
        out.mkdir(parents=True, exist_ok=True)
        write_tables()
        for maze, bonus, number in missing(options.mazes, options.bonuses, options.seeds, runs):
            print(f"{maze}, {bonus}, seed {number}", flush=True)
            subprocess.run(command(maze, bonus, number, runs, options.steps), cwd=ROOT, check=True)
            write_tables()
    except subprocess.CalledProcessError as error:
        print(f"bonuses: {' '.join(error.cmd[1:])} ended with {error.returncode}", file=sys.stderr)
        return 1
    except (ValueError, KeyError, OSError) as error:
        print(f"bonuses: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the run that was stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
