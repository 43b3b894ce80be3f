"""Keeps the tables of results: each a JSON file that says how every row was made, and a Markdown fragment made from it.

    python -m benchmarks.results runs/room-episodic-lstm/seed* --row "episodic memory" --out docs/results/room.json
    python -m benchmarks.results runs/room-*/seed7* --row "episodic memory" --more-seeds --out docs/results/room.json
    python -m benchmarks.results --out docs/results/room.json     # write docs/results/room.md anew
    python -m benchmarks.results runs/room-*/seed*                # print only

Runs in one folder are seeds of one row. A row of the same name is replaced, the others stay, each with its own command,
commits and seeds. Runs have to be evaluated, and made from a commit without changes. The overview of results is
written anew with every table of `docs/results`.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.arguments import make_parser
from benchmarks.results_overview import DOCS, write_overview
from benchmarks.results_table import COLUMNS, Rates, Row, Table
from engram.evidence.runs.more_hops import said
from engram.tracking.atomic import write_json, write_text

BESIDE = ("seed=", "runs_dir=", "tracking=", "tracking.", "name=", "eval.film=", "hydra.sweep.dir=")
"""Words of a command that change neither the agent nor its evaluation, or stand in a column of their own."""


def row_of(name: str, runs: Sequence[Path]) -> Row:
    """Make a row of evaluated runs of one kind.

    Raises:
        ValueError: if a run lacks something, or the runs are not of one kind.
    """
    found = sorted((_read(run) for run in runs), key=lambda run: int(run["seed"]))
    first = found[0]
    for key in ("command", "steps", "episodes", "hops"):
        if len({run[key] for run in found}) > 1:
            raise ValueError(f"{name}: the runs differ in {key}: {', '.join(sorted({str(run[key]) for run in found}))}")
    if len({run["seed"] for run in found}) < len(found):
        raise ValueError(f"{name}: two runs have the same seed")
    others = first["evaluation"].get("test_settings", {})
    settings = {"as trained": (), **{label: ("test_settings", label) for label in others}}
    values: dict[str, Rates] = {}
    for label, place in settings.items():
        columns = {
            column: [success_of(run["evaluation"], (*place, *keys)) for run in found]
            for column, keys in COLUMNS.items()
        }
        if first["evaluation"].get("memory") == "none":
            del columns["memory wiped"]
        values[label] = {column: rates for column, rates in columns.items() if set(rates) != {None}}
    commits = [run["commit"][:7] for run in found]
    seeds = [run["seed"] for run in found]
    note = " ".join(said(first["hops"]))
    return Row(name, first["command"], seeds, commits, first["steps"], first["episodes"], values, note)


def _read(run: Path) -> dict[str, Any]:
    path = run / "evaluation.json"
    if not path.is_file():
        raise ValueError(f"{run}: there is no evaluation.json; make it with: python evaluate.py {run}")
    evaluation: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "intact" not in evaluation:
        raise ValueError(f"{path}: there is no 'intact' in it; make it anew with: python evaluate.py {run}")
    versions = json.loads((run / "versions.json").read_text(encoding="utf-8"))
    if not versions["git_commit"] or versions["git_dirty"]:
        raise ValueError(f"{run}: made from files that no commit names; commit first, then train")
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    return {
        "evaluation": evaluation,
        "commit": versions["git_commit"],
        "command": shlex.join(word for word in shlex.split(versions["command"]) if not word.startswith(BESIDE)),
        "seed": config["seed"],
        "steps": config["total_timesteps"],
        "episodes": evaluation["episodes"],
        "hops": tuple(evaluation.get("hops") or ()) or None,
    }


def success_of(evaluation: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    """Return the success rate under nested keys, None where it was not measured."""
    found: Any = evaluation
    for key in keys:
        found = found.get(key) or {}
    success: float | None = found.get("success")
    return success


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.results", __doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders that have been evaluated")
    parser.add_argument("--out", type=Path, help="JSON file of the table; the fragment is written beside it, as .md")
    parser.add_argument("--row", help="name of the row (default: that of the folder that the runs lie in)")
    parser.add_argument("--more-seeds", action="store_true", help="add to the seeds of a row instead of replacing it")
    parser.add_argument("--note", default="", help="what else is to be said of the row")
    parser.add_argument("--title", help="title of the table (default: that of the file, or its name)")
    options = parser.parse_args()
    groups: dict[str, list[Path]] = defaultdict(list)
    for run in options.runs:
        groups[run.resolve().parent.name].append(run)
    try:
        if not groups and options.out is None:
            raise ValueError("name runs, or the table to write anew with --out")
        if options.out and options.out.suffix != ".json":
            raise ValueError(f"--out {options.out}: a table is a JSON file, and its fragment stands beside it, as .md")
        if not groups and not options.out.is_file():
            raise ValueError(f"--out {options.out}: there is no such table; name the runs of its first row")
        if options.row and len(groups) > 1:
            raise ValueError(f"--row names one row, and the runs lie in {len(groups)} folders: {', '.join(groups)}")
        table = Table.read(options.out) if options.out and options.out.is_file() else Table("")
        table.title = options.title or table.title or (options.out.stem if options.out else "results")
        for name, runs in groups.items():
            row = row_of(options.row or name, runs)
            row.note = f"{row.note} {options.note}".strip()
            table.put(row, more_seeds=options.more_seeds)
        fragment = table.markdown()
        if options.out:
            write_json(options.out, asdict(table))
            write_text(options.out.with_suffix(".md"), fragment)
            if options.out.resolve().parent == DOCS / "results":
                write_overview()
        print(fragment, end="")
    except (ValueError, KeyError, OSError) as error:
        print(f"results: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
