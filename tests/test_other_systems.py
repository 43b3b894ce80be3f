"""Windows has no POSIX modules and fewer signals: everything of ours is imported all the same."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from built_package import ROOT, TOPS
from tiny_runs import TINY

from engram.envs.play.keyboard import pressed_keys

POSIX_MODULES = ("curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
POSIX_SIGNALS = ("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGSTOP", "SIGTSTP", "SIGUSR1")
POSIX_FUNCTIONS = ("fork", "forkpty", "getloadavg", "getpgid", "getuid", "killpg", "mkfifo", "setsid", "sync", "uname")
WITHOUT = f"""\
import os, signal, sys
import {{first}}
for name in {POSIX_MODULES}:
    sys.modules[name] = None
for name in {POSIX_SIGNALS}:
    delattr(signal, name)
for name in {POSIX_FUNCTIONS}:
    delattr(os, name)
"""
# Packages of others that choose their own modules by the system: they are not what is tested here.
OTHERS = (
    "ctypes, filelock, hydra, imageio, matplotlib.pyplot, minigrid, multiprocessing, omegaconf, pydantic, rich.live, "
    "sb3_contrib, scipy.stats, stable_baselines3, torch, wandb"
)


def run(code: str, folder: Path, *, system: str = sys.platform, stdin: str = "") -> str:
    """Run code where nothing of POSIX is left, and return what it prints."""
    before = WITHOUT.format(first=OTHERS) + f"sys.platform = {system!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", before + code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=stdin,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules() -> list[str]:
    """List all modules of ours."""
    files = [file for top in TOPS for file in (ROOT / top).rglob("*.py") if top != "engram" or file.parent.name == top]
    paths = [file.relative_to(ROOT / "engram" if file.parent.name == "engram" else ROOT) for file in files]
    names = [".".join(("engram", *path.with_suffix("").parts)).removesuffix(".__init__") for path in paths]
    return sorted({*names, *(f"benchmarks.{path.stem}" for path in (ROOT / "benchmarks").glob("[a-z]*.py"))})


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_every_module_is_imported(tmp_path: Path, system: str) -> None:
    assert {"engram", "engram.tracking.peak_memory", "benchmarks.why_trace"} <= set(modules())
    keyboard = "sys.modules['msvcrt'] = type(sys)('msvcrt')\n" if system == "win32" else ""
    code = f"{keyboard}import importlib\nfor name in {modules()}:\n    importlib.import_module(name)\nprint('all')"
    assert run(code, tmp_path, system=system) == "all\n"


def test_a_training_runs_and_leaves_out_what_the_system_does_not_count(tmp_path: Path) -> None:
    words = ["train.py", *TINY, "eval.final_episodes=0"]
    run(f"from engram.cli.train import main; sys.argv = {words}; sys.exit(main())", tmp_path)
    (metrics,) = tmp_path.glob("runs/*/*/metrics.csv")
    columns = metrics.read_text().splitlines()[0].split(",")
    assert "time/parameters" in columns
    assert "time/peak_memory_mb" not in columns


def test_keys_from_a_pipe_need_no_terminal(tmp_path: Path) -> None:
    code = "from engram.envs.play.__main__ import main; sys.exit(main(['Engram-MatchS9-v0', '--seed', '3']))"
    assert "0 episodes played to the end" in run(code, tmp_path, stdin="uulr q")


def test_keys_come_with_enter_where_a_terminal_gives_no_single_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("ul\nr"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "termios", None)
    with pressed_keys() as keys:
        assert list(keys) == ["u", "l", "r"]


def unnamed_encodings(source: str) -> list[int]:
    """List the lines at which a text file is read or written in the encoding that the system prefers."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or any(word.arg == "encoding" for word in call.keywords):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [word.value for word in (*call.args, *call.keywords) if isinstance(word, ast.Constant)]
        binary = any(isinstance(value, str) and "b" in value for value in given)
        if (name in ("read_text", "write_text") and isinstance(call.func, ast.Attribute)) or (
            name == "open" and not binary and not _is_class(call.func)
        ):
            found.append(call.lineno)
    return found


def _is_class(function: ast.expr) -> bool:
    """Return whether `open` is that of a class, such as `RunFolder.open`."""
    return (
        isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id[0].isupper()
    )


def test_text_files_have_the_same_encoding_everywhere() -> None:
    assert unnamed_encodings("path.read_text()\nopen(x)\nopen(x, 'rb')\nImage.open(x)\nx.open(newline='')") == [1, 2, 5]
    for top in (*TOPS, "benchmarks"):
        for file in (ROOT / top).rglob("*.py"):
            assert unnamed_encodings(file.read_text(encoding="utf-8")) == [], file
