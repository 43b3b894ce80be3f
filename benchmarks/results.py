"""Prints a Markdown table of evaluated runs: one row per kind of run, over its seeds.

    python -m benchmarks.results runs/room-*/seed* runs/tmaze_long-*/seed*

Reads each run's `evaluation.json`. Every cell names the median over seeds, and the worst and best in brackets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

COLUMNS = {
    "greedy": ("intact",),
    "sampled": ("sampled", "intact"),
    "memory wiped": ("wiped",),
    "controller wiped": ("controller_wiped",),
}


def read_evaluation(run: Path) -> dict[str, Any]:
    """Return a run's `evaluation.json`, with the commit that it was trained with.

    Raises:
        ValueError: if the run has none, or it is not one of ours.
    """
    path = run / "evaluation.json"
    if not path.is_file():
        raise ValueError(f"{run}: there is no evaluation.json; make it with: python evaluate.py {run}")
    content: dict[str, Any] = json.loads(path.read_text())
    if "intact" not in content:
        raise ValueError(f"{path}: there is no 'intact' in it; make it anew with: python evaluate.py {run}")
    trained_with: dict[str, Any] = json.loads((run / "versions.json").read_text())
    return {**content, "git_commit": trained_with["git_commit"]}


def success_of(evaluation: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    """Return the success rate under nested keys, None where it was not measured."""
    found: Any = evaluation
    for key in keys:
        found = found.get(key) or {}
    success: float | None = found.get("success")
    return success


def cell(rates: list[float | None]) -> str:
    """Write rates of several seeds as `median (worst-best)` in per cent."""
    known = [100 * rate for rate in rates if rate is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{known[0]:.1f} %"
    return f"{median(known):.1f} % ({min(known):.1f}-{max(known):.1f})"


def table(runs: list[Path]) -> str:
    """Return the table, with a row for every folder that runs lie in and one for each of its test settings."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[run.resolve().parent.name].append(read_evaluation(run))
    lines = [
        f"| runs | env | seeds | checkpoint at | {' | '.join(COLUMNS)} | commits |",
        f"|{'---|' * (len(COLUMNS) + 5)}",
    ]
    for name, evaluations in groups.items():
        first = evaluations[0]
        steps = [evaluation["checkpoint_timesteps"] / 1e6 for evaluation in evaluations]
        best_at = f"{min(steps):.2f}-{max(steps):.2f}M" if len(steps) > 1 else f"{steps[0]:.2f}M"
        commits = ", ".join(sorted({str(e["git_commit"])[:7] for e in evaluations}))
        cells = [cell([success_of(e, keys) for e in evaluations]) for keys in COLUMNS.values()]
        lines.append(f"| {name} | {first['env']} | {len(evaluations)} | {best_at} | {' | '.join(cells)} | {commits} |")
        for setting in first.get("test_settings", {}):
            cells = [
                cell([success_of(e, ("test_settings", setting, *keys)) for e in evaluations])
                for keys in COLUMNS.values()
            ]
            lines.append(f"| | {setting} | {len(evaluations)} | | {' | '.join(cells)} | |")
    return "\n".join(lines)


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders that have been evaluated")
    options = parser.parse_args()
    try:
        print(table(options.runs))
    except (ValueError, KeyError, OSError) as error:
        print(f"results: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
