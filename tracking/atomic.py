"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[BufferedWriter]:
    """Open a file to be written beside `path` that takes its place once everything is on disk.

    If writing fails or is interrupted, what stood at `path` before stands there still.

    Args:
        path: the file to be made or replaced; its folder exists.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with naming(path), draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file in errors of writing it: of a disk that is full the system does not say which file it was."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; what UTF-8 has no form for is escaped."""
    with replacing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
