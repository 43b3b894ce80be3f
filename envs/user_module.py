"""Modules that a user names, such as `env.module=my_envs`: imported because they register something."""

import importlib.util
import os
import sys
import traceback
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
# In a checkout its scripts find these folders before a module of the same name that is somebody's own.
OUR_FOLDERS = ("agents", "benchmarks", "cli", "configs", "envs", "evidence", "memory", "storage", "tracking")
EXTRAS = ("popgym",)
"""Modules that an extra of ours, of the same name, installs."""


def import_user_module(name: str) -> None:
    """Import a module that is installed, or lies in the current folder.

    That folder comes last on the path, so that nothing that is installed is hidden by a file of the same name.

    Args:
        name: such as `my_envs` or `my_package.envs`.

    Raises:
        ValueError: if there is no such module, or its own code fails; in one line, with file and line of its code. Or
            if it is called as a folder of this checkout, which would be imported in its place.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
    wrong = f"module={name!r} cannot be imported"
    first = name.partition(".")[0]
    found = importlib.util.find_spec(first) if first in OUR_FOLDERS else None
    if found is not None and str(_ROOT / first) in (found.submodule_search_locations or ()):
        raise ValueError(
            f"{wrong}: {first!r} is found in {_ROOT}, where it is Engram's own; give yours another name, "
            f"such as my_{first}"
        )
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"{wrong}: {error}{_where(error)}") from error
        hint = ""
        if name in EXTRAS:
            hint = f"; it comes with an extra: pip install -e '.[{name}]'"
        elif name.endswith(".py"):
            hint = "; leave out .py"
        raise ValueError(f"{wrong}: {error}, neither in {folder} nor installed{hint}") from error
    except (Exception, SystemExit) as error:  # it is the user's code: whatever goes wrong in it
        reason = " ".join(str(error).split())
        raise ValueError(f"{wrong}: {type(error).__name__}: {reason}{_where(error)}") from error


def _where(error: BaseException) -> str:
    """Name the line of the user's code at which an import failed."""
    if isinstance(error, SyntaxError):
        return ""  # its message has it
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    frames = [frame for frame in frames if frame.filename != __file__]
    return f" ({frames[0].filename}, line {frames[0].lineno})" if frames else ""
