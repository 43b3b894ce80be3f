"""The overview of results: a line for every table of the page, from the same files."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.results_overview import OVERVIEW, PAGE, overview
from benchmarks.results_table import Row, Table
from engram.tracking.atomic import write_json

SECTION = '## A chain, of 3\n\n--8<-- "docs/results/chain.md"\n'


def row(name: str, command: str, *greedy: float) -> Row:
    seeds = list(range(len(greedy)))
    rates: dict[str, list[float | None]] = {"greedy": list(greedy), "memory wiped": [0.25] * len(greedy)}
    return Row(name, command, seeds, ["abcdef0"] * len(greedy), 150_000, 200, {"as trained": rates})


def test_the_overview_of_the_docs_is_what_the_files_give() -> None:
    written = OVERVIEW.read_text()
    assert written == overview(PAGE.read_text(), OVERVIEW.parent)
    tables = {path.stem for path in OVERVIEW.parent.glob("*.json")}
    assert written.count("\n") == len(tables) + 2


def test_a_line_has_the_first_agent_and_the_first_lstm(tmp_path: Path) -> None:
    rows = [
        row("other code", "python -m benchmarks.baselines.recurrent_ppo", 0.1),
        row("memoryless", "python train.py memory=none controller=feedforward", 0.2),
        row("ours", "python train.py experiment=chain", 0.75, 1.0),
        row("ours, later", "python train.py experiment=chain ppo.gamma=0.9", 0.3),
        row("LSTM", "python train.py experiment=chain memory=none", 0.4),
    ]
    write_json(tmp_path / "chain.json", asdict(Table("any", rows)))
    *_, line = overview(f"# Results\n\n## No table\n\n{SECTION}", tmp_path).splitlines()
    assert line == "| [A chain, of 3](#a-chain-of-3) | 75, 100 |  | 25 in all | 40 | 0.15M |"


def test_a_table_without_an_agent_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "chain.json", asdict(Table("Chains", [row("LSTM", "python train.py memory=none", 0.4)])))
    with pytest.raises(ValueError, match=r"^Chains: it has no row of an agent with a memory$"):
        overview(SECTION, tmp_path)


def test_every_link_leads_to_a_heading() -> None:
    headings = re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE)
    plain = {re.sub(r"[^a-z0-9]", "", heading.lower()) for heading in headings}
    links = re.findall(r"\(#([a-z0-9-]+)\)", OVERVIEW.read_text())
    assert links
    assert {link.replace("-", "") for link in links} <= plain
