"""What an evaluation plays and which files it leaves, on tiny runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tiny_runs import TINY, composed

from engram.cli.evaluate import main
from engram.cli.train import train
from engram.evidence.evaluation.result import WIPED


@pytest.fixture(scope="module")
def without_memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run, hardly trained, of an agent that has no memory beside its controller."""
    runs = tmp_path_factory.mktemp("runs")
    tiny = [override for override in TINY if not override.startswith("memory.")]
    train(composed(*tiny, "memory=none", f"runs_dir={runs}"), "none")
    (folder,) = (runs / "none").iterdir()
    return folder


def read(file: Path) -> dict:
    return json.loads(file.read_text())


def test_of_a_memory_that_is_not_there_only_what_the_verdict_rests_on_is_played(
    without_memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(without_memory), "--episodes", "4", "--no-test-settings", "--certificate"]) == 0
    played = {row["intervention"] for row in csv.DictReader((without_memory / "evaluation.csv").open())}
    assert played == set(WIPED)
    found = read(without_memory / "certificate.json")
    assert set(found["conditions"]) == {"intact", "controller_wiped"}
    assert found["verdict"] is not None
    shown = capsys.readouterr().out
    assert "controller wiped before every step" in shown
    assert "memory wiped" not in shown


def test_the_certificate_stays_when_the_run_is_evaluated_anew_without_it(without_memory: Path) -> None:
    assert main([str(without_memory), "--episodes", "4", "--no-test-settings", "--certificate"]) == 0
    file = without_memory / "certificate.json"
    before = file.read_bytes()
    assert read(file)["conditions"] == read(without_memory / "evaluation.json")["certificate"]["conditions"]
    assert main([str(without_memory), "--episodes", "3", "--no-test-settings", "--checkpoint", "latest"]) == 0
    assert file.read_bytes() == before
    assert (read(file)["checkpoint"], read(file)["episodes"]) == ("best", 4)
    assert read(without_memory / "evaluation.json")["checkpoint"] == "latest"


def test_more_reads_than_were_trained_are_played_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(composed(*TINY, "memory.hops=2", f"runs_dir={tmp_path}"), "two")
    (run,) = (tmp_path / "two").iterdir()
    assert read(run / "evaluation.json")["hops"] is None
    played = ["--episodes", "4", "--no-test-settings"]
    assert main([str(run), "memory.hops=3", *played]) == 0
    assert read(run / "evaluation.json")["hops"] == [2, 3]
    assert "Played with 3 reads a step (memory.hops=3); trained with 2." in capsys.readouterr().err
    assert main([str(run), "memory.hops=2", *played]) == 0
    assert read(run / "evaluation.json")["hops"] is None
    for option in (["--explain", "0"], ["--horizon"], ["--compare-only"]):
        assert main([str(run), "memory.hops=3", *option]) == 2
        assert f"memory.hops=3 and {option[0]}: " in capsys.readouterr().err
