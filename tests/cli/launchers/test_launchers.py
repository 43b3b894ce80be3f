"""Grids by joblib, submitit and Ray, really run: jobs side by side, and stopped by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_runs import TINY

from engram.cli.grid.record import GridRecord

ROOT = Path(__file__).parents[3]
LAUNCHERS = ("cores", "slurm_here", "ray_cluster")
LONG = 20_000_000  # steps: nobody waits for their end

pytestmark = pytest.mark.launchers


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "train.py"), *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=-1, stderr=-1, text=True)


def grid(folder: Path) -> GridRecord:
    (found,) = folder.glob("runs/grid-*")
    return GridRecord(found)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_job_is_run(tmp_path: Path, launcher: str) -> None:
    process = start(tmp_path, "-m", "seed=3,5", *TINY, f"hydra/launcher={launcher}")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    assert [job.code for job in grid(tmp_path).jobs()] == [0, 0]
    runs = [job.run for job in grid(tmp_path).jobs()]
    for run, seed in zip(runs, (3, 5), strict=True):
        assert run is not None
        assert run.name.startswith(f"seed{seed}-")
        assert json.loads((run / "evaluation.json").read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_signal_lets_every_job_save_a_snapshot(tmp_path: Path, launcher: str, number: signal.Signals) -> None:
    tiny = [word for word in TINY if not word.startswith(("total_timesteps", "eval."))]
    quick = ["eval.leakage_resets=0", "eval.every=1000000", "eval.final_episodes=0"]
    words = ["-m", "seed=3,5", *tiny, *quick, f"total_timesteps={LONG}", f"hydra/launcher={launcher}"]
    process = start(tmp_path, *words)
    until = time.monotonic() + 120
    while len(list(tmp_path.glob("runs/*/seed*/metrics.csv"))) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, out + err
    assert "Traceback" not in err
    jobs = grid(tmp_path).jobs()
    assert all(job.run is not None and not job.is_running for job in jobs)
