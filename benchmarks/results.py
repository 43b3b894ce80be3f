"""Keeps the tables of results: each a JSON file that says how every row was made, and a Markdown fragment made from it.

    python -m benchmarks.results runs/room-episodic-lstm/seed* --row "episodic memory" --out docs/results/room.json
    python -m benchmarks.results --out docs/results/room.json     # write docs/results/room.md anew
    python -m benchmarks.results runs/room-*/seed*                # print only

Runs in one folder are seeds of one row. A row of the same name is replaced, the others stay, each with its own command,
commits and seeds. Runs have to be evaluated, and made from a commit without changes.
"""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.arguments import make_parser
from engram.evidence.runs.more_hops import said
from engram.tracking.atomic import write_json, write_text

COLUMNS = {
    "greedy": ("intact",),
    "sampled": ("sampled", "intact"),
    "memory wiped": ("wiped",),
    "controller wiped": ("controller_wiped",),
}
WIDTH = 120
LISTED = 5  # so many seeds are shown one by one
BESIDE = ("seed=", "runs_dir=", "tracking=", "tracking.", "name=", "eval.film=", "hydra.sweep.dir=")
"""Words of a command that change neither the agent nor its evaluation, or stand in a column of their own."""

Rates = dict[str, list[float | None]]
"""Column -> success rate of each seed."""


@dataclass
class Row:
    """One kind of agent on one task, over its seeds."""

    name: str
    command: str
    seeds: list[int]
    commits: list[str]
    """Of each seed, the commit that it was trained with."""
    steps: int
    """Environment steps of the training."""
    episodes: int
    """Of each figure and seed."""
    values: dict[str, Rates]
    """Setting ("as trained", or the label of a test setting) -> column -> success rate of each seed."""
    note: str = ""

    def __post_init__(self) -> None:
        if not self.command or not self.seeds or len(self.commits) != len(self.seeds):
            raise ValueError(f"row {self.name!r}: it needs its command, and a commit for each of its seeds")
        for setting, rates in self.values.items():
            for column, listed in rates.items():
                if column not in COLUMNS or len(listed) != len(self.seeds):
                    raise ValueError(f"row {self.name!r}, {setting}, {column}: a rate is needed for each seed")


@dataclass
class Table:
    """The rows of one task."""

    title: str
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Table:
        """Read a table.

        Raises:
            ValueError: if the file is not one.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(content["title"], [Row(**row) for row in content["rows"]])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a table of results ({error})") from error

    def put(self, row: Row) -> None:
        """Add a row, in the place of one of the same name."""
        names = [other.name for other in self.rows]
        if row.name in names:
            self.rows[names.index(row.name)] = row
        else:
            self.rows.append(row)

    def markdown(self) -> str:
        """Return the fragment: a table with numbered rows, and how each of them was made."""
        shown = [
            column for column in COLUMNS if any(column in rates for row in self.rows for rates in row.values.values())
        ]
        lines = [f"**{self.title}**", "", f"| | agent | {' | '.join(shown)} |", f"|{'---|' * (len(shown) + 2)}"]
        made = []
        for number, row in enumerate(self.rows, start=1):
            for setting, rates in row.values.items():
                first = setting == "as trained"
                name = row.name if first else f"… {setting}"
                for listed in (LISTED, 0):  # what is too long for a line is told by its median and range
                    cells = [shown_rates(rates.get(column, []), listed) for column in shown]
                    line = f"| {number if first else ''} | {name} | {' | '.join(cells)} |"
                    if len(line) <= WIDTH:
                        break
                lines.append(line)
            parts = (
                f"`{row.command}`",
                f"{row.steps / 1e6:.2f}M steps",
                f"seed{'s' if len(row.seeds) > 1 else ''} {ranges(row.seeds)}",
                f"{row.episodes} episodes a seed",
                f"commit {_commits(row)}",
            )
            text = f"{number}. {', '.join(parts)}. {row.note}".strip()
            made.append(
                textwrap.fill(text, WIDTH, subsequent_indent="   ", break_on_hyphens=False, break_long_words=False)
            )
        lines += [
            "",
            "Success in %; of up to five seeds each, else the median and the range. How each row was made:",
            "",
        ]
        lines += made
        for line in "\n".join(lines).splitlines():
            if len(line) > WIDTH:
                raise ValueError(f"{self.title}: a line of {len(line)} characters, shorten its names: {line}")
        return "\n".join(lines) + "\n"


def ranges(numbers: Sequence[int]) -> str:
    """Write whole numbers as `0-4, 7`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in found)


def shown_rates(rates: Sequence[float | None], listed: int = LISTED) -> str:
    """Write rates of several seeds in per cent: each of up to so many, else their median and range."""
    known = [100 * rate for rate in rates if rate is not None]
    if not known:
        return ""
    if len(set(known)) == 1 and len(known) > 1:
        return f"{known[0]:.4g} in all"
    if len(known) <= max(listed, 1):
        return ", ".join("-" if rate is None else f"{100 * rate:.4g}" for rate in rates)
    return f"{median(known):.4g} ({min(known):.4g}-{max(known):.4g})"


def _commits(row: Row) -> str:
    by_commit: dict[str, list[int]] = defaultdict(list)
    for seed, commit in zip(row.seeds, row.commits, strict=True):
        by_commit[commit].append(seed)
    if len(by_commit) == 1:
        return row.commits[0]
    return "; ".join(
        f"{commit} (seed{'s' if len(seeds) > 1 else ''} {ranges(seeds)})" for commit, seeds in by_commit.items()
    )


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
    parser.add_argument("--note", default="", help="what else is to be said of the row")
    parser.add_argument("--title", help="title of the table (default: that of the file, or its name)")
    options = parser.parse_args()
    groups: dict[str, list[Path]] = defaultdict(list)
    for run in options.runs:
        groups[run.resolve().parent.name].append(run)
    try:
        if not groups and options.out is None:
            raise ValueError("name runs, or the table to write anew with --out")
        if options.row and len(groups) > 1:
            raise ValueError(f"--row names one row, and the runs lie in {len(groups)} folders: {', '.join(groups)}")
        table = Table.read(options.out) if options.out and options.out.is_file() else Table("")
        table.title = options.title or table.title or (options.out.stem if options.out else "results")
        for name, runs in groups.items():
            row = row_of(options.row or name, runs)
            row.note = f"{row.note} {options.note}".strip()
            table.put(row)
        fragment = table.markdown()
        if options.out:
            write_json(options.out, asdict(table))
            write_text(options.out.with_suffix(".md"), fragment)
        print(fragment, end="")
    except (ValueError, KeyError, OSError) as error:
        print(f"results: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
