"""Grids: a failed job does not stop the others, a signal ends all, and what was killed goes on."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engram.cli.grid import launch
from engram.cli.grid.record import GridRecord, Job
from engram.cli.hydra import run

# Jobs that note that they were there, and end as their seed says.
STAND_IN = """
import os, sys, time
program, words = {program!r}, sys.argv[1:]
with open("done.txt", "a") as file:
    print(*words, "threads=" + os.environ["OMP_NUM_THREADS"], file=file)
if "seed=2" in words and os.path.exists("failing"):
    sys.exit(int(open("failing").read()))
if os.path.exists("waiting"):
    time.sleep(60)
"""


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[str]]]:
    """Return a function that runs a command line in an empty folder, and returns its code and what jobs there were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py"])
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(launch, "_START", STAND_IN)

    def running(*arguments: str) -> tuple[int, list[str]]:
        Path("done.txt").unlink(missing_ok=True)
        code = run(lambda config, name: None, arguments)
        return code, Path("done.txt").read_text().splitlines() if Path("done.txt").exists() else []

    return running


def the_grid(folder: Path) -> GridRecord:
    (found,) = folder.glob("runs/grid-*")
    return GridRecord(found)


def test_every_combination_is_a_command_of_its_own(ran: Callable[..., tuple[int, list[str]]]) -> None:
    code, done = ran("seed=3,5", "-m", "memory=none,episodic", "torch_threads=2", "total_timesteps=1e3")
    assert code == 0
    rest = "torch_threads=2 total_timesteps=1000 threads=2"
    assert sorted(done) == sorted(
        f"seed={seed} memory={memory} {rest}" for seed in (3, 5) for memory in ("none", "episodic")
    )


@pytest.mark.parametrize("failure", [1, 2, 139])
def test_a_failed_job_does_not_stop_the_others_and_is_named(
    ran: Callable[..., tuple[int, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str], failure: int
) -> None:
    (tmp_path / "failing").write_text(str(failure))
    code, done = ran("-m", "seed=1,2,3", "memory=none")
    assert [line.split()[0] for line in done] == ["seed=1", "seed=2", "seed=3"]
    assert code == 1
    said = capsys.readouterr().err.splitlines()[-3:]
    assert said[0].endswith("1 of 3 jobs failed:")
    assert said[1].strip() == "seed=2 memory=none"
    assert said[2] == f"to go on: python train.py resume={the_grid(tmp_path).path.relative_to(tmp_path)}"


def test_a_grid_goes_on_with_what_is_not_finished(
    ran: Callable[..., tuple[int, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "failing").write_text("1")
    ran("-m", "seed=1,2,3", "memory=none")
    (tmp_path / "failing").unlink()
    grid = the_grid(tmp_path)
    grid.job(2).file.unlink()  # as if it had been killed before
    capsys.readouterr()
    code, done = ran(f"resume={grid.path}")
    assert (code, [line.split()[0] for line in done]) == (0, ["seed=2", "seed=3"])
    assert capsys.readouterr().out.splitlines()[:3] == [
        "job 0 (seed=1): is finished",
        "job 1 (seed=2): begins anew",
        "all others begin",
    ]
    assert ran("-m", f"resume={grid.path}") == (0, [])


def test_a_signal_ends_all_jobs_and_none_begins(
    ran: Callable[..., tuple[int, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "waiting").touch()

    def interrupt() -> None:
        while not (tmp_path / "done.txt").exists():
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    before = signal.getsignal(signal.SIGTERM)
    code, done = ran("-m", "seed=1,2,3")
    thread.join()
    assert (code, len(done)) == (128 + signal.SIGTERM, 1)
    assert signal.getsignal(signal.SIGTERM) == before
    assert [job.code for job in the_grid(tmp_path).jobs()] == [128 + signal.SIGTERM]
    (tmp_path / "waiting").unlink()
    assert ran(f"resume={the_grid(tmp_path).path}")[0] == 0


def test_a_job_that_runs_elsewhere_is_left_alone(
    ran: Callable[..., tuple[int, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "failing").write_text("1")
    ran("-m", "seed=1,2")
    grid = the_grid(tmp_path)
    with grid.job(1).lock:
        code, done = ran(f"resume={grid.path}")
        assert (code, done) == (1, [])
    assert "job 1 (seed=2): runs already" in capsys.readouterr().out


def test_a_grid_of_which_nothing_can_be_run_leaves_nothing(
    ran: Callable[..., tuple[int, list[str]]], tmp_path: Path
) -> None:
    (tmp_path / "failing").write_text("2")
    assert ran("-m", "seed=2", "memory=none,dnc")[0] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"failing", "done.txt"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "resume=nowhere"], "resume=nowhere: not the folder of a grid, for it has no grid.json"),
        (["resume=grid", "seed=3"], "seed=3: belongs to the grid that goes on; what may be another is hydra/launcher"),
        (["resume=grid", "-m", "resume=other"], "resume=: one grid at a time, and not grid, other"),
        (["-m", "hydra.sweep.dir=${runs_dir}"], "hydra.sweep.dir=${runs_dir}: must be a path, without ${...}"),
        (["-m", "hydra/launcher=cores"], "hydra/launcher=cores: it comes with an extra: pip install -e '.[launchers]'"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    ran: Callable[..., tuple[int, list[str]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "grid.json").write_text(json.dumps({"arguments": ["-m", "seed=1,2"]}))
    assert ran(*arguments) == (2, [])
    assert capsys.readouterr().err == f"train.py: {message}\n"


def test_a_run_folder_is_found_where_both_were_moved(tmp_path: Path) -> None:
    run, job = tmp_path / "runs" / "a" / "seed0", Job(tmp_path / "runs" / "grid" / "jobs" / "3.json")
    (run / "snapshots").mkdir(parents=True)
    job.file.parent.mkdir(parents=True)
    job.note_run(run)
    assert job.run is None  # there is nothing to go on from
    (run / "snapshots" / "000000000000192.zip").touch()
    (tmp_path / "runs").rename(tmp_path / "moved")
    moved = Job(tmp_path / "moved" / "grid" / "jobs" / "3.json")
    assert moved.run == tmp_path / "moved" / "a" / "seed0"


@pytest.mark.parametrize(
    "word",
    [
        "memory.module=planted",
        "env.id=planted:Env-v0",
        "+env.kwargs.key=${oc.env:HOME}",
        "hydra.launcher._target_=os.system",
        "--config-dir=planted",
    ],
)
def test_nothing_that_a_record_says_runs_code_unless_it_is_said_again(
    ran: Callable[..., tuple[int, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    (tmp_path / "planted.py").write_text("open('executed', 'w')")
    ran("-m", "seed=1,2", "memory=none")
    grid = the_grid(tmp_path)
    grid.begin([*grid.arguments, word])
    code, done = ran(f"resume={grid.path}")
    assert (code, done) == (2, [])
    assert f"it says {word}, which runs code: if you trust it, say it, too" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()
