"""Modules that a user names, such as `env.module=my_envs`: imported because they register something."""

import importlib
import os
import sys
import traceback

# Modules that an extra of ours, of the same name, installs.
_EXTRAS = ("popgym",)


def import_user_module(name: str) -> None:
    """Import a module that is installed, or lies in the current folder.

    That folder comes last on the path, so that nothing that is installed is hidden by a file of the same name.

    Args:
        name: such as `my_envs` or `my_package.envs`.

    Raises:
        ValueError: if there is no such module, or its own code fails; in one line, with file and line of its code.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
    wrong = f"module={name!r} cannot be imported"
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(f"{wrong}: {error}{_where(error)}") from error
        hint = ""
        if name in _EXTRAS:
            hint = f"; it comes with an extra: pip install -e '.[{name}]'"
        elif name.endswith(".py"):
            hint = "; leave out .py"
        raise ValueError(f"{wrong}: {error}, neither in {folder} nor installed{hint}") from error
    except Exception as error:  # it is the user's code: whatever goes wrong in it
        reason = " ".join(str(error).split())
        raise ValueError(f"{wrong}: {type(error).__name__}: {reason}{_where(error)}") from error


def _where(error: Exception) -> str:
    """Name the line of the user's code at which an import failed."""
    if isinstance(error, SyntaxError):
        return ""  # its message has it
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    frames = [frame for frame in frames if frame.filename != __file__]
    return f" ({frames[0].filename}, line {frames[0].lineno})" if frames else ""
