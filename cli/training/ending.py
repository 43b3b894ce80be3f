"""What happens to a training that ends before its time: its weights are saved first, then a line says why it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engram.agents import MemoryPPO
from engram.agents.learning.update import WrongUpdate
from engram.tracking import RunFolder, StopRequest
from engram.tracking.commands import command
from engram.tracking.failure import failure_line, record_failure


def end_early(
    error: BaseException,
    model: MemoryPPO,
    folder: RunFolder,
    request: StopRequest,
    print_line: Callable[[str], None],
) -> int:
    """Save the agent of a training that did not come to its end, say what there is, and return the exit code.

    Args:
        error: what ended it: a second Ctrl-C, a disk that is full, or whatever an env does, `sys.exit` included.
        model, folder: of the run.
        request: knows whether a signal was sent: an env may raise KeyboardInterrupt, too.
        print_line: called with one line or two.
    """
    where = _save(model, folder)
    after = f"after {model.num_timesteps:,} steps"
    if isinstance(error, KeyboardInterrupt) and request.signal is not None:
        print_line(f"interrupted {after}; {where}")
        if _has_agent(folder):
            print_line(f"to evaluate what there is: {command('evaluate')} {folder.path}")
        return request.exit_code
    if isinstance(error, OSError) and _lies_in(folder.path, error.filename):
        print_line(f"cannot write to {folder.path} ({error.strerror}) {after}; {where}")
        return 1
    try:
        line = record_failure(folder, error, model.num_timesteps)
    except OSError:  # the disk is full, too
        line = failure_line(error)
    print_line(f"failed {after}: {line}")
    print_line(where + (f", the traceback in {folder.traceback}" if folder.traceback.is_file() else ""))
    if isinstance(error, WrongUpdate) and _is_kept(error, folder):
        print_line(f"to work that step out once more: {command('train')} replay={folder.path}")
    return 1


def _is_kept(error: WrongUpdate, folder: RunFolder) -> bool:
    """Save the step that failed; return whether there was room for it."""
    try:
        folder.save_failing(error.step)
    except OSError:
        return False
    return True


def _save(model: MemoryPPO, folder: RunFolder) -> str:
    """Save the weights, and return where the agent is, or why there is none."""
    try:
        folder.save_model(model, "latest")
    except Exception as error:  # a full disk, or what cannot be saved: what is reported is what ended the training
        kept = "what was saved before is still there" if _has_agent(folder) else "none was saved before"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else failure_line(error)
        return f"the agent could not be saved ({reason}), {kept}"
    return f"the agent is in {folder.checkpoint('latest')}"


def _has_agent(folder: RunFolder) -> bool:
    return any(folder.checkpoint(name).is_file() for name in ("best", "latest"))


def _lies_in(folder: Path, filename: object) -> bool:
    """Return whether the file that an error of the system names is one of a folder."""
    return isinstance(filename, str) and Path(filename).resolve().is_relative_to(folder.resolve())
