"""Files of two runs that are swapped are refused: model, configuration and results know which run they are of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engram.configs import CannotRun
from engram.evidence.runs.files import EvaluationFile, read_file
from engram.evidence.runs.identity import run_digest
from engram.evidence.runs.open import open_run

EXAMPLE = Path(__file__).parents[3] / "examples" / "agent"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "run"))


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_makes_a_run_is_in_its_digest_and_how_it_is_written_is_not(run: Path) -> None:
    before = run_digest(run / "config.yaml")
    config = run / "config.yaml"
    config.write_text(f"# a comment\n{config.read_text()}\n")
    assert run_digest(config) == before
    changed(config, "total_timesteps: ", "total_timesteps: 1")  # as a run that is resumed for longer has
    changed(config, "device: auto", "device: cpu")
    changed(config, "  film: ", "  film: not_")
    assert run_digest(config) == before
    changed(config, "gamma: 0.9", "gamma: 0.8")
    assert run_digest(config) != before


def test_a_model_of_another_run_is_refused(run: Path) -> None:
    assert open_run(run, None, "cpu")[2].of_run == run_digest(run / "config.yaml")
    changed(run / "config.yaml", "gamma: 0.9", "gamma: 0.8")
    with pytest.raises(CannotRun, match=r"best\.zip: of another run than config\.yaml beside it$"):
        open_run(run, None, "cpu")


def test_a_model_of_no_run_is_refused_where_it_is_made_of_something_else(run: Path) -> None:
    model = open_run(run, None, "cpu")[2]
    model.of_run = None
    model.save(run / "best.zip")
    open_run(run, None, "cpu")
    changed(run / "config.yaml", "  name: lstm", "  name: gru")
    with pytest.raises(CannotRun, match=r"best\.zip: of another run than config\.yaml beside it$"):
        open_run(run, None, "cpu")


def test_results_of_another_run_are_refused(run: Path) -> None:
    path = run / "evaluation.json"
    result = json.loads(path.read_text())
    for of_run, fits in ((None, True), (run_digest(run / "config.yaml"), True), ("0" * 64, False)):
        path.write_text(json.dumps({**result, "of_run": of_run}))
        if fits:
            assert read_file(path, EvaluationFile, "").of_run == of_run
        else:
            with pytest.raises(CannotRun, match=r"evaluation\.json: of another run than config\.yaml beside it$"):
                read_file(path, EvaluationFile, "")
