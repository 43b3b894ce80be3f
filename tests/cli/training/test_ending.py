"""However a training ends, its weights are saved, what ended it is a line, and no line is untrue."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from failing_env import WAYS, Failing
from tiny_runs import TINY, composed

from engram.agents import MemoryPPO
from engram.cli import evaluate, export
from engram.cli.hydra import run
from engram.cli.train import train
from engram.configs import CannotRun
from engram.envs import make_env
from engram.evidence.runs.open import refusing_foreign_errors
from engram.tracking import RunFolder, atomic
from engram.tracking.interrupt import SIGNALS

SIZES = [word for word in TINY if not word.startswith("env")]


def words(kind: str, *more: str) -> list[str]:
    of_env = ["env=gym", "env.id=Failing-v0", "env.n_envs=6", f"+env.kwargs.kind={kind}"]
    return [*SIZES, *of_env, "eval.film=false", *more]


@pytest.fixture(autouse=True)
def _from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "steps", 0)


def failed(tmp_path: Path, kind: str, *more: str) -> tuple[int, Path]:
    """Train until the env fails; return the exit code and the run folder."""
    with pytest.raises(SystemExit) as stopped:
        train(composed(*words(kind, f"runs_dir={tmp_path}", *more)), "failing")
    (folder,) = (tmp_path / "failing").iterdir()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, folder


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("error", "ZeroDivisionError: boom"),
        ("empty", "Exception"),
        ("disk", "OSError: [Errno 28] No space left on device: '/own/file'"),
        ("nameless", "OSError: [Errno 5] Input/output error"),
        ("denied", "PermissionError: [Errno 13] Permission denied: '/own/file'"),
        ("exit", "SystemExit"),
        ("exit3", "SystemExit: 3"),
        ("exit130", "SystemExit: 130"),
        ("keyboard", "KeyboardInterrupt"),
        ("generator", "GeneratorExit"),
        ("letters", r"RuntimeError: größer als \udcff"),
        ("mute", "Mute: (its message cannot be shown: ValueError)"),
    ],
)
def test_whatever_an_env_does_leaves_the_agent_a_mark_and_a_true_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, line: str
) -> None:
    code, folder = failed(tmp_path, kind)
    assert code == 1
    steps = MemoryPPO.load(folder / "latest.zip", device="cpu").num_timesteps
    assert steps > 0
    mark = json.loads((folder / "failure.json").read_text())
    assert mark["timesteps"] == steps
    assert re.fullmatch(re.escape(line) + r" \(.*failing_env\.py, line \d+\)", mark["error"])
    assert "Traceback" in (folder / "failure.txt").read_text()
    said = capsys.readouterr().err.splitlines()
    assert f"failed after {steps:,} steps: {mark['error']}" in said
    assert said[-1] == f"the agent is in {folder / 'latest.zip'}, the traceback in {folder / 'failure.txt'}"


@pytest.mark.parametrize("kind", ["exit", "exit3", "generator", "error", "disk", "mute"])
def test_an_env_that_fails_before_the_training_is_one_line(kind: str) -> None:
    raised = "SystemExit|GeneratorExit|ZeroDivisionError|OSError|Mute"
    with pytest.raises(CannotRun, match=rf"^env: ({raised}).*failing_env\.py"):
        train(composed(*words(kind, "+env.kwargs.at=0")), "failing")


def test_a_module_that_leaves_while_it_is_imported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_script.py").write_text("import sys\nsys.exit()\n")
    assert run(train, ["env=gym", "env.id=Failing-v0", "env.module=own_script"]) == 2
    assert re.search(r"'own_script' cannot be imported: SystemExit: .*line 2\)$", capsys.readouterr().err.strip())


def test_a_disk_that_is_full_in_the_run_folder_is_told_from_an_envs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced = os.fsync
    files: list[int] = []

    def full(file: int) -> None:
        files.append(file)
        if len(files) > 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(file)

    monkeypatch.setattr(atomic.os, "fsync", full)
    code, folder = failed(tmp_path, "plain")
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"cannot write to {folder} (No space left on device) after ")
    assert last.endswith("what was saved before is still there")
    assert "the agent could not be saved" in last
    assert MemoryPPO.load(folder / "latest.zip", device="cpu").num_timesteps > 0
    assert not list(folder.glob(".*.part"))


def test_a_full_disk_is_named_where_the_system_does_not_say_which_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, atomic.naming(tmp_path / "metrics.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "metrics.csv")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_saves_the_agent_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    def hurried() -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    monkeypatch.setitem(WAYS, "plain", hurried)
    code, folder = failed(tmp_path, "plain")
    assert code == 128 + number
    steps = MemoryPPO.load(folder / "latest.zip", device="cpu").num_timesteps
    said = capsys.readouterr().err.splitlines()
    assert said[-2] == f"interrupted after {steps:,} steps; the agent is in {folder / 'latest.zip'}"
    assert said[-1].endswith(str(folder))
    assert not (folder / "failure.json").exists()


def test_an_interrupted_training_of_which_nothing_could_be_saved_names_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hurried() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "latest.zip")

    monkeypatch.setitem(WAYS, "plain", hurried)
    monkeypatch.setattr(RunFolder, "save_model", full)
    code, _ = failed(tmp_path, "plain", "+env.kwargs.at=100")
    assert code == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"interrupted after [\d,]+ steps; the agent could not be saved \(.*\), none was saved.*", last)


@pytest.mark.parametrize("where", ["open_writer", "evaluate_trained"])
def test_before_and_after_a_training_a_signal_ends_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    def stopped(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it goes on")

    monkeypatch.setattr(f"engram.cli.train.{where}", stopped)
    code, folder = failed(tmp_path, "plain")
    assert code == 128 + signal.SIGTERM
    assert "interrupted" in capsys.readouterr().err.splitlines()[-1 if where == "open_writer" else -2]
    assert (folder / "best.zip").is_file() == (where == "evaluate_trained")
    assert not (folder / "failure.json").exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_evaluation_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    def stopped(*_: object) -> None:
        signal.raise_signal(number)
        pytest.fail("it goes on")

    monkeypatch.setattr("engram.cli.evaluate.find_runs", stopped)
    assert evaluate.main([str(tmp_path)]) == 128 + number


def test_an_env_that_cannot_be_closed_is_a_warning_and_the_run_is_evaluated(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"env.close\(\) failed: RuntimeError: cannot close$"):
        train(composed(*words("close", f"runs_dir={tmp_path}", "eval.film=true")), "closing")
    (folder,) = (tmp_path / "closing").iterdir()
    assert {"latest.zip", "evaluation.json", "episodes.csv", "film.gif"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "failure.json").exists()


@pytest.mark.parametrize("kind", ["unknown", "nan"])
def test_success_that_nobody_knows_is_not_told_and_returns_are_compared(tmp_path: Path, kind: str) -> None:
    value = {"unknown": "null", "nan": "nan"}[kind]
    train(composed(*words("plain", f"runs_dir={tmp_path}", f"+env.kwargs.success={value}")), "unknown")
    (folder,) = (tmp_path / "unknown").iterdir()
    assert json.loads((folder / "evaluation.json").read_text())["success"] is None
    assert "success_rate" not in (folder / "metrics.csv").read_text()


@pytest.mark.parametrize("kind", ["error", "disk", "exit"])
def test_an_env_that_fails_later_is_a_line_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    runs = [tmp_path / "a", tmp_path / "b"]
    train(composed(*words("plain", f"runs_dir={tmp_path}", "eval.final_episodes=0")), "later")
    (made,) = (tmp_path / "later").iterdir()
    for run_folder in runs:
        shutil.copytree(made, run_folder)
    monkeypatch.setattr(Failing, "steps", 301)
    monkeypatch.setitem(WAYS, "plain", WAYS[kind])
    capsys.readouterr()
    where = r"(ZeroDivisionError|OSError|SystemExit).*failing_env\.py, line \d+\)"
    assert export.main([str(runs[0]), "--steps", "20"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"export\.py: .*policy\.onnx is written, but the env ended its check: {where}", line)
    assert evaluate.main([str(run_folder) for run_folder in runs]) == 2
    said = capsys.readouterr().err.splitlines()
    for run_folder in runs:
        assert any(re.fullmatch(rf"left out: {run_folder}: {where}", line) for line in said)
    assert "2 of 2 runs could not be evaluated" in said[-1]


def test_an_error_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="delay"), refusing_foreign_errors():
        make_env("Engram-TMaze-v0", kwargs={"delay": [9, 3]})


def test_success_that_is_a_text_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed(tmp_path, "plain", "+env.kwargs.success=sure")
    line = "info['is_success']='sure' must be True or False, or None where nobody knows"
    assert re.search(rf"^failed after [\d,]+ steps: {re.escape(line)}$", capsys.readouterr().err, re.MULTILINE)


def test_a_job_of_a_grid_whose_env_leaves_does_not_stop_the_others_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(folder) for folder in Path(__file__).parents[1:3]))
    monkeypatch.setattr("sys.argv", ["train.py"])
    kinds = ("exit", "disk", "keyboard", "close")
    code = run(
        train, ["-m", *words(",".join(kinds), "env.module=failing_env", "eval.final_episodes=0", "total_timesteps=200")]
    )
    assert code == 1
    ended = capfd.readouterr().err.splitlines()[-len(kinds) - 1 : -1]
    assert ended[0].endswith("3 of 4 jobs failed:")
    for line, kind in zip(ended[1:], kinds[:-1], strict=True):
        assert f"kind={kind} " in line
    assert len(list(tmp_path.glob("runs/*/*/latest.zip"))) == 4
