"""From its first moment on a command ends on a signal: with the signal's code, in a line, and soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engram.tracking.interrupt import SIGNALS

ROOT = Path(__file__).parents[2]
COMMANDS = ("train", "evaluate", "report", "export")
SLOWLY = """
import sys, time, types
from importlib import abc
from engram.cli import starting

class Slow(abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "engram.cli." + sys.argv[1]:
            print("imports", flush=True)
            while True:
                time.sleep(0.01)

sys.meta_path.insert(0, Slow())
sys.exit(getattr(starting, sys.argv[1])())
"""


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_it_is_imported_ends_it_in_a_line(name: str, number: signal.Signals) -> None:
    command = [sys.executable, "-c", SLOWLY, name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "imports\n"
        process.send_signal(number)
        err = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number
    assert err == "-c: interrupted\n"


def test_under_nohup_a_lost_terminal_does_not_end_it() -> None:
    nohup = f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{SLOWLY}"
    command = [sys.executable, "-c", nohup, "train"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)
        process.kill()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_scripts_import_next_to_nothing_before(name: str) -> None:
    code = f"import sys, runpy; runpy.run_path({f'{name}.py'!r}); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "numpy", "hydra", "engram.tracking", "engram.configs", "wandb"} & {*found.split()}


def test_a_training_begins_without_what_only_its_end_needs() -> None:
    code = "import sys, engram.cli.train; print(*{'wandb', 'matplotlib', 'scipy.stats', 'jinja2'} & set(sys.modules))"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
