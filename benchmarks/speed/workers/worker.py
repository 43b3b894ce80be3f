"""A process that does one turn whenever it is asked, and answers with a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from benchmarks.speed.report.result import ROOT


class Worker:
    """Runs a Python module or file that answers every line on its standard input by one line of JSON.

    Args:
        script: a module of ours, or a file.
        checkout: where it runs, and what it imports.
        settings: are its argument, as JSON.
    """

    def __init__(self, script: str | Path, checkout: Path = ROOT, settings: dict[str, Any] | None = None) -> None:
        start = ["-m", script] if isinstance(script, str) else [str(script)]
        self._process = subprocess.Popen(
            [sys.executable, *start, json.dumps(settings or {})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )

    def ask(self) -> dict[str, Any]:
        """Let it do one turn; return its answer.

        Raises:
            RuntimeError: if it has ended, with its last line.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            self._process.stdin.write("next\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            said = self._process.stderr.read().strip().splitlines()
            raise RuntimeError(f"a worker has ended: {said[-1] if said else 'it said nothing'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def serve(turns: Iterator[dict[str, Any]]) -> None:
    """Answer every line of standard input by what comes next; to be called in the process of a worker."""
    for _ in sys.stdin:
        print(json.dumps(next(turns)), flush=True)
