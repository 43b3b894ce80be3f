"""Where compiled files are kept, and how they are known to be what was compiled: code is run from here."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = b"engram: sha256 "
_END = len(_MARK) + 2 * hashlib.sha256().digest_size
"""Bytes of what stands behind the code in every file: the mark and the digest of all before it."""
_ABANDONED = 3600
"""Seconds after which a folder of drafts has been left by a process that was killed."""


def folder() -> Path:
    """Return the folder of compiled files, made if it is not there, and see that nobody else can write to it.

    It is `$XDG_CACHE_HOME/engram` or `~/.cache/engram`; a relative path in that variable is left out of account, as its
    specification wants it: it would take code from wherever one works.

    Raises:
        OSError: if it cannot be made, or is of another user, or others may write to it.
        RuntimeError: if the user has no home.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    path = (named if named.is_absolute() else Path.home() / ".cache") / "engram"
    path.mkdir(parents=True, mode=0o700, exist_ok=True)
    _check_ours(path)
    for left in path.glob("draft-*"):
        if left.stat().st_mtime < time.time() - _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
    return path


def is_whole(path: Path) -> bool:
    """Return whether a compiled file is there and, to the last bit, what was kept.

    Raises:
        OSError: if it cannot be read, or is of another user, or others may write to it.
    """
    if not path.exists():
        return False
    _check_ours(path)
    data = path.read_bytes()
    return data[-_END:] == _end(data[:-_END])


@contextmanager
def keeping(path: Path) -> Iterator[Path]:
    """Give the name of a file to be compiled, which takes the place of `path` once it is whole on the disk."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="draft-") as drafts:
        fresh = Path(drafts) / path.name
        yield fresh
        end = _end(fresh.read_bytes())
        with fresh.open("ab") as file:
            file.write(end)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(0o700)
        fresh.replace(path)  # at once: another process may be doing the same


def _end(data: bytes) -> bytes:
    return _MARK + hashlib.sha256(data).hexdigest().encode()


def _check_ours(path: Path) -> None:
    if not hasattr(os, "getuid"):
        return
    about = path.stat()
    if about.st_uid not in (os.getuid(), 0):
        raise PermissionError(f"{path} is of another user: code is run from there")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} can be written to by others, and code is run from there: chmod go-w {path}")
