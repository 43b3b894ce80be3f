"""The overview of results, `docs/results/overview.md`: of every table the agent, its memory wiped, and the LSTM.

A table's first row with a memory is the agent, its first row of `memory=none` with an LSTM the control. Order and names
are those of the sections of the page of results.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.results_table import Row, Table, shown_rates
from engram.tracking.atomic import write_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference" / "results.md"
OVERVIEW = DOCS / "results" / "overview.md"
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_SHOWN = re.compile(r'^--8<-- "docs/results/(\w+)\.md"$', re.MULTILINE)


def overview(page: str, folder: Path) -> str:
    """Return the overview of the tables that a page shows, a line for each section.

    Args:
        page: Markdown, with sections that include tables of results.
        folder: of the tables' JSON files.

    Raises:
        ValueError: if a table cannot be read, or has no agent with a memory.
    """
    lines = ["| task | greedy | sampled | memory wiped | LSTM | steps |", "|---|---|---|---|---|---|"]
    _, *parts = _SECTION.split(page)
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        for name in _SHOWN.findall(text):
            lines.append(_line(heading, Table.read(folder / f"{name}.json")))
    return "\n".join(lines) + "\n"


def _line(heading: str, table: Table) -> str:
    agent = next((row for row in table.rows if _trained_here(row) and "memory=none" not in row.command), None)
    if agent is None:
        raise ValueError(f"{table.title}: it has no row of an agent with a memory")
    lstm = next((row for row in table.rows if _trained_here(row) and _is_lstm(row)), None)
    rates = agent.values["as trained"]
    cells = [shown_rates(rates.get(column, [])) for column in ("greedy", "sampled", "memory wiped")]
    cells.append("" if lstm is None else shown_rates(lstm.values["as trained"]["greedy"]))
    return f"| [{heading}](#{_anchor(heading)}) | {' | '.join(cells)} | {agent.steps / 1e6:.2f}M |"


def _anchor(heading: str) -> str:
    """Return the heading's anchor, as Markdown's table of contents makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def _trained_here(row: Row) -> bool:
    return row.command.startswith("python train.py")


def _is_lstm(row: Row) -> bool:
    words = row.command.split()
    return "memory=none" in words and not any(word.startswith("controller=") for word in words)


def write_overview() -> None:
    """Write the overview anew.

    Raises:
        ValueError: as `overview`.
    """
    write_text(OVERVIEW, overview(PAGE.read_text(encoding="utf-8"), OVERVIEW.parent))
