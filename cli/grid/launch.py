"""What a launcher carries to wherever a job runs: it starts the job's command, and watches over it.

It is pickled, and imports little: the training imports the rest, in its own process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from engram.cli.grid.record import OF_JOB, GridRecord, Job

_LOOK_EVERY = 0.2
"""Seconds between two looks for a request to stop."""
_LAST_OF_FAILURES = 128
"""Exit codes above it are of signals."""
_START = "import sys; sys.argv[0] = {program!r}; from engram.cli.starting import train; sys.exit(train())"


@dataclass(frozen=True)
class Launched:
    """A grid as its jobs know it, in whatever process.

    Args:
        grid: its folder, absolute.
        flags: options of every job's command, such as `--config-dir`.
        program: how the command was called.
        folder: the working directory.
        pid: of the grid's own process, whose terminal a job may use: there is no other beside it.
    """

    grid: Path
    flags: tuple[str, ...]
    program: str
    folder: str
    pid: int

    def sweep(self) -> None:
        """Let Hydra compose every job, and its launcher carry out each, here or elsewhere."""

        @hydra.main(config_path="pkg://engram.configs", config_name="train", version_base="1.3")
        def launched(config: DictConfig) -> None:
            job = HydraConfig.get()
            self.carry_out([*self.flags, *job.overrides.task], int(job.job.num), int(config.torch_threads))

        launched()

    def carry_out(self, words: list[str], number: int, threads: int) -> None:
        """Begin a job or go on with it, unless it is finished, runs already, or the grid is to stop.

        Args:
            words: its command line.
            number: its place in the grid.
            threads: of torch.
        """
        record = GridRecord(self.grid)
        job = record.job(number)
        if job.words not in ([], words):
            print(f"job {number} was '{' '.join(job.words)}' and would be '{' '.join(words)}' now", file=sys.stderr)
            job.note(code=2)
        elif job.code != 0 and record.stop is None and not job.is_running:
            job.note(words=words, code=None)
            job.note(code=self._watched(record, job, words, threads))

    def _watched(self, record: GridRecord, job: Job, words: list[str], threads: int) -> int:
        """Run the command of a job; return its exit code."""
        is_alone = os.getpid() == self.pid
        if not is_alone and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the grid says when to stop
        environment = {**os.environ, OF_JOB: str(job.file), "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-c", _START.format(program=self.program), *words]
        with nullcontext() if is_alone else job.output.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,  # by its end the job knows that nobody watches any more
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code = _wait(process, record)
            finally:
                if process.poll() is None:  # whoever ends this process
                    process.terminate()
                    process.wait()
        return code if code >= 0 else _LAST_OF_FAILURES - code


def _wait(process: subprocess.Popen[bytes], record: GridRecord) -> int:
    """Wait for the end of a process; hand on a request to stop, or make one if the launcher is gone."""
    asked, launcher = False, os.getppid()
    while True:
        try:
            return process.wait(_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            number = record.stop if os.getppid() == launcher else signal.SIGTERM
            if number is not None and not asked:
                asked = True
                process.send_signal(number)
