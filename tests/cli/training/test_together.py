"""One training in several processes, as `torchrun` starts them: exact resume, clean ends, one line where it fails."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from planted_env import planted_env
from tiny_runs import TINY

from engram.agents import MemoryPPO
from engram.tracking import RunFolder

ROOT = Path(__file__).parents[3]
QUICK = (*TINY, "eval.final_episodes=0", "eval.leakage_resets=0", "eval.episodes=3", "eval.every=1000", "runs_dir=runs")
OFTEN = "snapshots.every=0.01"
STEPS = 6 * 32  # of a rollout of both
TOTAL = f"total_timesteps={30 * STEPS}"
FAILING = planted_env(
    "if os.environ['RANK'] == '1' and self.taken > 50: raise ArithmeticError('the lift is out of order')"
)


class Processes:
    """Processes that train one agent: command lines, with the variables that `torchrun` sets."""

    def __init__(self, folder: Path, *words: str, count: int = 2) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.logs = [folder / f"rank{rank}.log" for rank in range(count)]
        self.started = []
        for rank, log in enumerate(self.logs):
            variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count, "RANK": rank}
            with log.open("w") as file:
                process = subprocess.Popen(
                    [sys.executable, str(ROOT / "train.py"), *words],
                    env={**os.environ, **{name: str(value) for name, value in variables.items()}},
                    cwd=folder,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            self.started.append(process)

    def ended(self) -> list[int]:
        """Wait for all of them; return their exit codes."""
        try:
            return [process.wait(200) for process in self.started]
        finally:
            for process in self.started:
                process.kill()

    def wait_for_snapshot(self, folder: Path) -> Path:
        """Wait until they have trained for a while; return their run folder."""
        for _ in range(2000):
            found = sorted(folder.glob("runs/*/*/snapshots/*.zip"))
            if found and int(found[-1].stem) >= 3 * STEPS:
                return found[-1].parents[1]
            assert all(process.poll() is None for process in self.started), self.said()
            time.sleep(0.05)
        raise AssertionError(self.said())

    def said(self) -> list[list[str]]:
        return [log.read_text().splitlines() for log in self.logs]


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of the metrics, but for times."""
    with RunFolder(run).metrics.open() as file:
        found = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if not key.startswith("time/")} for row in found]


def weights(run: Path) -> torch.Tensor:
    policy = MemoryPPO.load(RunFolder(run).checkpoint("latest")).policy
    return torch.cat([value.double().flatten() for value in policy.state_dict().values()])


def trained(folder: Path, *words: str) -> Path:
    """The run folder of a training that comes to its end."""
    folder.mkdir(exist_ok=True)
    both = Processes(folder, *QUICK, *words)
    assert both.ended() == [0, 0], both.said()
    assert both.said()[1] == [], "only the first one speaks"
    (run,) = folder.glob("runs/*/*")
    return run


def test_it_is_stopped_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    once = trained(tmp_path / "once", TOTAL)
    (tmp_path / "again").mkdir()
    both = Processes(tmp_path / "again", *QUICK, OFTEN, TOTAL)
    stopped = both.wait_for_snapshot(tmp_path / "again")
    for process in both.started:
        process.send_signal(signal.SIGTERM)
    assert both.ended() == [143, 143], both.said()
    assert "stopped after" in both.said()[0][-1]
    assert not any("Traceback" in line for lines in both.said() for line in lines)
    both = Processes(tmp_path, f"resume={stopped}")
    assert both.ended() == [0, 0], both.said()
    assert rows(once) == rows(stopped)
    assert torch.equal(weights(once), weights(stopped))
    assert RunFolder(once).layouts.read_text() == RunFolder(stopped).layouts.read_text()


def test_one_that_dies_ends_the_training_and_nothing_saved_is_lost(tmp_path: Path) -> None:
    both = Processes(tmp_path, *QUICK, OFTEN, "total_timesteps=10_000_000")
    run = both.wait_for_snapshot(tmp_path)
    both.started[1].kill()
    assert both.ended() == [1, -signal.SIGKILL], both.said()
    assert not any("Traceback" in line for line in both.said()[0])
    assert "another process of this training has ended or cannot be reached" in both.said()[0][-2]
    steps = int(max(path.stem for path in RunFolder(run).snapshots))
    alone = Processes(tmp_path, f"resume={run}", f"total_timesteps={steps + STEPS}", count=1)
    assert alone.ended() == [0], alone.said()
    assert any("was trained by 2 and goes on with 1 process: all episodes begin anew" in it for it in alone.said()[0])


def test_what_fails_in_one_is_told_by_it_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    task = ("env=gym", "env.id=Planted-v0", "env.module=failing", "env.split=false", "ppo.novelty_coef=0")
    kept = [word for word in QUICK if not word.startswith("env=") and not word.startswith("env.kwargs")]
    both = Processes(tmp_path, *task, *kept)
    assert both.ended() == [1, 1], both.said()
    (line,) = (line for line in both.said()[1] if "Warning" not in line)
    assert line.startswith("process 1: failed after "), both.said()
    assert "ArithmeticError: the lift is out of order" in line
    assert "another process of this training has ended" in both.said()[0][-2], both.said()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("env.n_envs=7", "train.py: env.n_envs=7: 2 processes share the envs equally; take 8"),
        ("env.id=Nowhere-v0", "train.py: env: .*Nowhere.*"),
    ],
)
def test_what_cannot_be_done_is_said_once(word: str, line: str, tmp_path: Path) -> None:
    both = Processes(tmp_path, *QUICK, word)
    assert both.ended() == [2, 2], both.said()
    assert both.said()[1] == []
    assert len(both.said()[0]) == 1
    assert re.fullmatch(line, both.said()[0][0]), both.said()
    assert not (tmp_path / "runs").exists()
