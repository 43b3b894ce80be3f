"""The file of an agent: a zip of JSON and safetensors, of which nothing is executed and everything is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple, cast

from gymnasium import spaces
from stable_baselines3.common.save_util import open_path
from stable_baselines3.common.utils import get_system_info

from engram.storage.archive import read_archive, write_archive
from engram.storage.arguments import Names, arguments_as_data, arguments_from_data
from engram.storage.plain import Plain
from engram.storage.spaces import space_as_data, space_from_data

WRONG = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RuntimeError,
    MemoryError,
    AssertionError,  # of Stable-Baselines3's constructor
)
"""What is raised where a file holds something of a wrong kind or size."""


class SavedAgent(NamedTuple):
    """What a file says of an agent."""

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    arguments: dict[str, Any]
    learned: dict[str, Any]  # by part
    system: dict[str, Any]  # versions with which it was saved


def write_agent(
    path: str | Path | BufferedIOBase,
    kind: str,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    arguments: Mapping[str, Any],
    names: Names,
    learned: Mapping[str, Plain],
) -> None:
    """Write an agent, to a file under the name that Stable-Baselines3 would give it (with `.zip`) or to an open one.

    Args:
        path: where; an open file is written from where it stands.
        kind: "agent", or what else is read again as such.
        observation_space, action_space: its own.
        arguments: of its constructor; what is no data is named in the file, and has to be given again.
        names: of classes among them.
        learned: what it learned, by part.

    Raises:
        ValueError: if something that it learned is no plain data.
        OSError: if the file cannot be written.
    """
    content: dict[str, Any] = {
        "observation_space": space_as_data(observation_space),
        "action_space": space_as_data(action_space),
        "arguments": arguments_as_data(arguments, names),
        "learned": learned,
        "system": get_system_info(print_info=False)[0],
    }
    with _opened(path, "w") as file:
        write_archive(file, kind, content)


def read_agent(
    path: str | Path | BufferedIOBase,
    kind: str,
    known: Iterable[str] = (),
    again: Mapping[str, Any] | None = None,
) -> SavedAgent:
    """Read what `write_agent` wrote; nothing in it is executed.

    Args:
        path: of the file, with or without `.zip`, or an open one.
        kind: what it has to be.
        known: arguments that there are.
        again: what no file holds, by its name, such as `policy_kwargs.memory`; None if arguments are not asked for.

    Raises:
        ValueError: in one line, if it is damaged, no such file, or holds something that has to be given again.
        OSError: if it cannot be read.
    """
    with _opened(path, "r") as file, naming(path):
        content = cast(Any, read_archive(file, kind))
        fields = {"observation_space", "action_space", "arguments", "learned", "system"}
        if not isinstance(content, dict) or content.keys() != fields:
            raise ValueError("damaged (it has other contents than an agent)")
        arguments = {} if again is None else arguments_from_data(content["arguments"], again)
        if unknown := sorted(arguments.keys() - set(known)):
            raise ValueError(f"an agent has no argument {unknown[0]!r:.60}")
        observed, acted = (space_from_data(content[name]) for name in ("observation_space", "action_space"))
        return SavedAgent(observed, acted, arguments, content["learned"], content["system"])


@contextmanager
def naming(path: str | Path | BufferedIOBase, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Name a file in whatever is raised because it holds something else than it should.

    Args:
        path: of the file.
        but: what is raised as it is.

    Raises:
        ValueError: in one line, in place of what was raised.
    """
    try:
        yield
    except but:
        raise
    except WRONG as error:
        named = path if isinstance(path, str | Path) else getattr(path, "name", "the file")
        raise ValueError(f"{named}: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def _opened(path: str | Path | BufferedIOBase, mode: str) -> Iterator[Any]:
    """Open a path as Stable-Baselines3 does; a file that is open is left open."""
    file = open_path(path, mode, suffix="zip")
    try:
        yield file
    finally:
        if isinstance(path, str | Path):
            file.close()
