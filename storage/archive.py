"""An archive: plain data as one file, a zip of JSON and safetensors that is checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from engram.storage.plain import Plain, from_json, to_json

VERSION = 1
"""Of the format: an archive of a later one is refused, all earlier ones can be read."""
LARGEST_TEXT = 2**26
"""Bytes of JSON; more is refused before it is read."""

DAMAGE = (
    zipfile.BadZipFile,
    SafetensorError,
    NotImplementedError,
    EOFError,
    KeyError,
    RuntimeError,
    OSError,
    struct.error,
)
_HEAD, _TEXT, _TENSORS = "archive.json", "content.json", "tensors.safetensors"


def write_archive(file: IO[bytes], kind: str, content: Plain) -> None:
    """Write plain data.

    Args:
        file: open for writing.
        kind: of the data, such as "snapshot"; `read_archive` asks for it.
        content: a tree of dictionaries, lists, numbers, texts, arrays and tensors.

    Raises:
        ValueError: if something is no plain data.
    """
    tensors: dict[str, Any] = {}
    text = json.dumps(to_json(content, tensors), separators=(",", ":"), allow_nan=False).encode()
    if len(text) > LARGEST_TEXT:
        raise ValueError(
            f"the data has {len(text):,} bytes of JSON, more than the {LARGEST_TEXT:,} that are read again"
        )
    members = {_TEXT: text, _TENSORS: save(tensors)}
    head = {"engram": kind, "version": VERSION, "digests": {name: _digest(data) for name, data in members.items()}}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_HEAD, json.dumps(head, indent=2))
        for name, data in members.items():
            archive.writestr(name, data)


def read_archive(file: Path | IO[bytes], kind: str) -> Plain:
    """Read what `write_archive` wrote.

    Nothing is unpacked that is larger than the file, and nothing is executed.

    Args:
        file: its path, or the file itself, open.
        kind: what it has to be.

    Raises:
        ValueError: in one line, which names the file if its path was given, if it is damaged, of another kind, or of a
            later version.
        OSError: if it cannot be read.
    """
    if not isinstance(file, Path):
        return _read(file, kind)
    try:
        with file.open("rb") as opened:
            return _read(opened, kind)
    except ValueError as error:
        raise ValueError(f"{file}: {' '.join(str(error).split())[:300]}") from error


def _read(file: IO[bytes], kind: str) -> Plain:
    with _refusing_damage(), zipfile.ZipFile(file) as archive:
        _check_members(archive)
        head = _parsed(archive.read(_HEAD))
        _check_head(head, kind)
        members = {name: archive.read(name) for name in (_TEXT, _TENSORS)}
    for name, data in members.items():
        if head["digests"].get(name) != _digest(data):
            raise ValueError(f"{name} is not what was written")
    with _refusing_damage():
        return from_json(_parsed(members[_TEXT]), load(members[_TENSORS]))


@contextmanager
def _refusing_damage() -> Iterator[None]:
    """Take whatever the readers of zip, JSON and safetensors stumble over for damage.

    Raises:
        ValueError: in place of all that they raise.
    """
    try:
        yield
    except RecursionError as error:
        raise ValueError("damaged (nested too deeply)") from error
    except DAMAGE as error:
        raise ValueError(f"damaged ({error})") from error


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse other members than those written, and such as are larger than what is read of the file."""
    names = [member.filename for member in archive.infolist()]
    if "pytorch_variables.pth" in names:
        raise ValueError(
            "a model in Stable-Baselines3's own format, with pickles, which execute what they hold when they are read; "
            "this version does not read it"
        )
    if sorted(names) != sorted((_HEAD, _TEXT, _TENSORS)):
        raise ValueError(f"no archive of this project, for it holds {', '.join(names)[:120] or 'nothing'}")
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise ValueError(f"{member.filename} is compressed, which is never written")
        if member.filename != _TENSORS and member.file_size > LARGEST_TEXT:
            raise ValueError(f"{member.filename} has {member.file_size:,} bytes, and {LARGEST_TEXT:,} are read at most")


def _check_head(head: Any, kind: str) -> None:
    if not isinstance(head, dict) or not isinstance(head.get("digests"), dict):
        raise ValueError(f"{_HEAD} is none")
    if head.get("engram") != kind:
        raise ValueError(f"holds {head.get('engram')!r:.60} and no {kind}")
    version = head.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(f"is of version {version!r:.60}, which is none")
    if version > VERSION:
        raise ValueError(f"is of version {version} of the format, and this program reads those up to {VERSION}")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError("damaged (no text)") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
