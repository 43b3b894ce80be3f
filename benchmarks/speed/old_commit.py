"""The default experiment at this commit and at an earlier one, in turns, each in a process of its own.

The earlier one is checked out into a temporary work tree of git. Envs, steps, batch, epochs and sizes are those of the
default experiment at e56b832, for both; the training is `MemoryPPO.learn` with the envs of the training side, without
validations.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.speed.report.result import ROOT, Row, Table
from benchmarks.speed.session import Missing, Session, ratios
from benchmarks.speed.workers.worker import Worker

SCRIPT = Path(__file__).parent / "workers" / "default_experiment.py"
SETTINGS: dict[str, Any] = {
    "env": {"env_id": "Engram-RoomS11-v0", "n_envs": 64, "split": "train", "view_size": 3, "seed": 0},
    "actions": ["left", "right", "forward"],
    "agent": {
        "memory": "episodic",
        "memory_kwargs": {
            "slots": 64,
            "heads": 4,
            "key_size": 32,
            "value_size": 32,
            "hops": 1,
            "gate_bias": 3.0,
            "step_embedding_size": 32,
        },
        "controller": "lstm",
        "controller_kwargs": {"hidden_size": 64},
        "n_steps": 64,
        "batch_size": 256,
        "n_epochs": 4,
        "gamma": 0.98,
        "policy_kwargs": {"features_dim": 64, "net_arch": []},
        "seed": 0,
        "device": "cpu",
    },
}


def measure(session: Session) -> list[Table]:
    """Return one table."""
    with checked_out(session.base) as checkout:
        old, new = Worker(SCRIPT, checkout, SETTINGS), Worker(SCRIPT, ROOT, SETTINGS)
        with old, new:
            workers = {session.base: old, "this code": new}
            turns = {name: lambda worker=worker: float(worker.ask()["speed"]) for name, worker in workers.items()}
            speeds = session.in_turns(turns, session.rounds(9, 2))
    rows = [
        Row(name=name, cells={"speed": values, "ratio": ratios(values, speeds[session.base])})
        for name, values in speeds.items()
    ]
    columns = {"speed": "env steps per CPU second", "ratio": f"times {session.base}"}
    return [Table(name="speed", title="The default experiment, whole process", columns=columns, rows=rows)]


@contextmanager
def checked_out(ref: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder.

    Raises:
        Missing: if git or the commit is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        try:
            _git("worktree", "add", "--detach", str(checkout), ref)
        except (OSError, subprocess.CalledProcessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
            raise Missing(f"git has no work tree of {ref}: {said}") from error
        try:
            yield checkout
        finally:
            _git("worktree", "remove", "--force", str(checkout))


def commit(name: str) -> str:
    """Read the name of a commit that there is, as far as git can tell."""
    try:
        _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except OSError:
        pass  # there is no git: the part is left out, and says so
    except subprocess.CalledProcessError:
        raise argparse.ArgumentTypeError(f"'{name}' is no commit of this repository") from None
    return name


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
