"""The commands as a user types them: `python train.py` in a checkout, `engram-train` where the package is installed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]


def program(name: str) -> str:
    """Return the name of a command, as its messages begin: `train.py` or `engram-train`.

    Args:
        name: train, evaluate, report or export.
    """
    return f"engram-{name}" if _is_installed() else f"{name}.py"


def command(name: str) -> str:
    """Return how a command is started: `python train.py` or `engram-train`."""
    return program(name) if _is_installed() else f"python {program(name)}"


def command_line() -> str:
    """Return the command that started this process, as a user would type it."""
    spec, script = sys.modules["__main__"].__spec__, Path(sys.argv[0])
    if spec is not None:
        started = ["python", "-m", spec.name.removesuffix(".__main__")]
    else:
        started = [script.stem] if script.stem.startswith("engram-") else ["python", str(script)]
    return shlex.join([*started, *sys.argv[1:]])


def _is_installed() -> bool:
    """Return whether a command of the package was started, or the scripts of the checkout are not there."""
    return Path(sys.argv[0]).stem.startswith("engram-") or not (_CHECKOUT / "train.py").is_file()
