"""A training that failed: what was raised, where, and after how many steps."""

from __future__ import annotations

import traceback
from pathlib import Path

from engram.tracking.atomic import write_json, write_text
from engram.tracking.run_folder import RunFolder

_TOP = Path(__file__).resolve().parent.parent
_AROUND = ("site-packages", *(str(_TOP / name) for name in ("agents", "cli", "memory", "storage", "tracking")))
_BOXES = ("agents", "cli", "configs", "engram", "envs", "evidence", "memory", "storage", "tracking")
_OURS = tuple(str(_TOP / name) for name in _BOXES)


def record_failure(folder: RunFolder, error: BaseException, timesteps: int) -> str:
    """Leave a mark of failure in a run folder, with the traceback beside it, and return what happened in a line.

    Args:
        folder: of the run.
        error: what was raised.
        timesteps: steps that were taken before.
    """
    line = failure_line(error)
    write_json(folder.failure, {"error": line, "timesteps": timesteps})
    write_text(folder.traceback, "".join(traceback.format_exception(error)))
    return line


def failure_line(error: BaseException) -> str:
    """Return in a line what was raised and where, whatever its message is made of."""
    try:
        line = " ".join(str(error).split()).encode(errors="backslashreplace").decode()
    except Exception as own:  # the message is the env's code, too
        line = f"(its message cannot be shown: {type(own).__name__})"
    if type(error).__module__.partition(".")[0] == __name__.partition(".")[0]:  # ours say all that is to be said
        return line
    return f"{type(error).__name__}{': ' if line else ''}{line} ({_where(error)})"


def is_foreign(error: BaseException) -> bool:
    """Return whether the innermost line that is of no installed package is a user's: it is no fault of ours then."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    own = [name for name in frames if "site-packages" not in name]
    return bool(own) and not own[-1].startswith(_OURS)


def _where(error: BaseException) -> str:
    """Name the innermost line of an env's code, or a user's; of any code if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(part in frame.filename for part in _AROUND)]
    frame = (own or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}"
