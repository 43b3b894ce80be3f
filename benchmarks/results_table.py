"""Tables of results: rows of agents, each with how it was made, and the Markdown fragment made from them."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

COLUMNS = {
    "greedy": ("intact",),
    "sampled": ("sampled", "intact"),
    "memory wiped": ("wiped",),
    "controller wiped": ("controller_wiped",),
}
WIDTH = 120
LISTED = 5  # so many seeds are shown one by one

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

    def with_seeds_of(self, other: Row) -> Row:
        """Return a row with the seeds of another one, too; of settings and columns, those that both have.

        Raises:
            ValueError: if the other is of another agent, training or number of episodes, or has a seed of this one.
        """
        for key in ("name", "command", "steps", "episodes"):
            if getattr(self, key) != getattr(other, key):
                raise ValueError(f"{self.name}: {key} is {getattr(other, key)}, and was {getattr(self, key)} before")
        seeds = [*self.seeds, *other.seeds]
        if len({*seeds}) < len(seeds):
            raise ValueError(f"{self.name}: two runs have the same seed")
        order = sorted(range(len(seeds)), key=seeds.__getitem__)

        def joined(one: list[Any], more: list[Any]) -> list[Any]:
            return [[*one, *more][place] for place in order]

        values = {
            setting: {
                column: joined(rates[column], other.values[setting][column])
                for column in rates
                if column in other.values[setting]
            }
            for setting, rates in self.values.items()
            if setting in other.values
        }
        commits = joined(self.commits, other.commits)
        return replace(self, seeds=joined(self.seeds, other.seeds), commits=commits, values=values)


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

    def put(self, row: Row, *, more_seeds: bool = False) -> None:
        """Add a row, in the place of one of the same name, or to its seeds.

        Raises:
            ValueError: if seeds are added that do not belong to the row.
        """
        names = [other.name for other in self.rows]
        if row.name in names:
            place = names.index(row.name)
            self.rows[place] = self.rows[place].with_seeds_of(row) if more_seeds else row
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
