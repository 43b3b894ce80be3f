"""Tables of results: every row names how it was made, and the fragments in the docs are what the JSON files give."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fake_runs import fake_run

from benchmarks.results import main, row_of
from benchmarks.results_table import Row, Table, ranges, shown_rates

DOCS = Path(__file__).parents[2] / "docs"
TABLES = sorted((DOCS / "results").glob("*.json"))


def run_of(tmp_path: Path, seed: int, successes: int = 38, dirty: bool = False, **others: object) -> Path:
    run = fake_run(
        tmp_path, seed=seed, successes=successes, test_settings={"longer": 30}, config={"seed": seed, **others}
    )
    command = f"python train.py env=tmaze seed={seed} runs_dir={tmp_path} tracking=disabled ppo.gamma=0.9"
    versions = {"git_commit": f"{seed}abcdef012345", "git_dirty": dirty, "command": command}
    (run / "versions.json").write_text(json.dumps(versions))
    return run


def call(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["results", *map(str, words)])
    return main()


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_fragments_in_the_docs_are_what_the_files_give(path: Path) -> None:
    table = Table.read(path)
    assert path.with_suffix(".md").read_text() == table.markdown()
    assert all(row.commits and row.command.startswith("python ") for row in table.rows)


def test_every_table_is_shown_on_the_page_and_every_fragment_has_its_file() -> None:
    assert TABLES
    page = (DOCS / "reference" / "results.md").read_text()
    for path in TABLES:
        assert f'--8<-- "docs/results/{path.stem}.md"' in page
    assert {path.stem for path in TABLES} == {path.stem for path in (DOCS / "results").glob("*.md")} - {"overview"}


def test_a_row_holds_what_the_runs_recorded(tmp_path: Path) -> None:
    row = row_of("ours", [run_of(tmp_path, 3, successes=20), run_of(tmp_path, 1)])
    assert (row.seeds, row.commits, row.steps, row.episodes) == ([1, 3], ["1abcdef", "3abcdef"], 1000, 40)
    assert row.command == "python train.py env=tmaze ppo.gamma=0.9"
    assert row.values["as trained"]["greedy"] == [0.95, 0.5]
    assert row.values["as trained"]["memory wiped"] == [0.1, 0.1]
    assert row.values["longer"] == {"greedy": [0.75, 0.75], "memory wiped": [0.0, 0.0]}


def test_a_row_is_replaced_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tmaze.json"
    assert call(monkeypatch, run_of(tmp_path / "a", 1), "--row", "ours", "--out", out, "--title", "T-Maze") == 0
    assert call(monkeypatch, run_of(tmp_path / "b", 2), "--row", "theirs", "--note", "untuned", "--out", out) == 0
    assert call(monkeypatch, run_of(tmp_path / "c", 5, successes=40), "--row", "ours", "--out", out) == 0
    table = Table.read(out)
    assert (table.title, [(row.name, row.seeds, row.note) for row in table.rows]) == (
        "T-Maze",
        [("ours", [5], ""), ("theirs", [2], "untuned")],
    )
    fragment = out.with_suffix(".md").read_text()
    assert capsys.readouterr().out.endswith(fragment)
    assert "| 1 | ours | 100 | 100 | 10 |" in fragment
    assert "commit 2abcdef. untuned" in fragment
    out.with_suffix(".md").unlink()
    assert call(monkeypatch, "--out", out) == 0
    assert out.with_suffix(".md").read_text() == fragment


def test_seeds_are_added_to_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, row = tmp_path / "table.json", ("--row", "agent")
    assert call(monkeypatch, run_of(tmp_path, 7, 30), *row, "--out", out) == 0
    assert call(monkeypatch, run_of(tmp_path, 3, 10), *row, "--more-seeds", "--out", out) == 0
    (found,) = Table.read(out).rows
    assert found.seeds == [3, 7]
    assert found.values["as trained"]["greedy"] == [
        row_of("agent", [run_of(tmp_path / "again", seed, wins)]).values["as trained"]["greedy"][0]
        for seed, wins in ((3, 10), (7, 30))
    ]
    before = out.read_text()
    capsys.readouterr()
    assert call(monkeypatch, run_of(tmp_path / "more", 7), *row, "--more-seeds", "--out", out) == 2
    assert "two runs have the same seed" in capsys.readouterr().err
    assert out.read_text() == before
    other = Row("agent", "another command", [1], ["abc"], 5, 5, {})
    with pytest.raises(ValueError, match="agent: command is another command"):
        Table.read(out).put(other, more_seeds=True)


def test_a_row_says_that_it_was_played_with_another_number_of_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = run_of(tmp_path / "a", 1), tmp_path / "chain.json"
    found = json.loads((run / "evaluation.json").read_text())
    (run / "evaluation.json").write_text(json.dumps(found | {"hops": [3, 4]}))
    assert call(monkeypatch, run, "--row", "ours", "--note", "Slow.", "--out", out) == 0
    assert Table.read(out).rows[0].note == "Played with 4 reads a step (memory.hops=4); trained with 3. Slow."
    with pytest.raises(ValueError, match="the runs differ in hops"):
        row_of("ours", [run, run_of(tmp_path / "b", 2)])


def test_rates_that_are_too_long_for_a_line_are_told_by_their_median_and_range() -> None:
    rates = {column: [0.995, 1.0, 0.995, 0.985, 0.995] for column in ("greedy", "sampled", "memory wiped")}
    row = Row("ours", "python train.py", [1, 2, 3, 4, 5], ["1abcdef"] * 5, 1000, 200, {"as trained": rates})
    assert "| 1 | ours | 99.5, 100, 99.5, 98.5, 99.5 |" in Table("Task", [row]).markdown()
    row.name = "the same agents, four reads"
    assert "| 1 | the same agents, four reads | 99.5 (98.5-100) |" in Table("Task", [row]).markdown()


def test_what_cannot_be_traced_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: str | Path) -> str:
        assert call(monkeypatch, *words) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    assert "no commit names" in refused(run_of(tmp_path / "a", 1, dirty=True))
    other = run_of(tmp_path / "b", 2, total_timesteps=7)
    assert "differ in steps" in refused(run_of(tmp_path / "b", 1), other)
    assert "same seed" in refused(other, other)
    (other / "evaluation.json").unlink()
    assert "python evaluate.py" in refused(other)
    assert "name runs" in refused()
    assert "2 folders" in refused(run_of(tmp_path / "c", 1), fake_run(tmp_path / "d", "ntm"), "--row", "ours")
    (tmp_path / "odd.json").write_text('{"title": "x", "rows": [{"name": "ours"}]}')
    assert "not a table" in refused("--out", tmp_path / "odd.json")
    with pytest.raises(ValueError, match="commit for each"):
        Row("ours", "python train.py", [1, 2], ["0123456"], 7, 40, {})
    with pytest.raises(ValueError, match="rate is needed for each seed"):
        Row("ours", "python train.py", [1], ["0123456"], 7, 40, {"as trained": {"greedy": [0.5, 0.5]}})


def test_numbers_as_they_are_shown() -> None:
    assert ranges([4, 0, 1, 2, 7]) == "0-2, 4, 7"
    assert shown_rates([0.555, 1.0, None]) == "55.5, 100, -"
    assert shown_rates([1.0, 1.0]) == "100 in all"
    assert shown_rates([0.1, 0.2, 0.9, 1.0, 0.3, 0.5, 0.0]) == "30 (0-100)"
    assert shown_rates([None]) == shown_rates([]) == ""


def test_a_table_is_neither_begun_without_runs_nor_written_over_by_its_fragment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--out", tmp_path / "typo.json") == 2
    assert "typo.json: there is no such table; name the runs of its first row" in capsys.readouterr().err
    assert call(monkeypatch, run_of(tmp_path, 1), "--out", tmp_path / "new.md") == 2
    assert "new.md: a table is a JSON file" in capsys.readouterr().err
    assert not [*tmp_path.glob("typo.*"), *tmp_path.glob("new.*")]
