"""Archives: what is written comes back, and what was altered is refused in one line."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engram.storage import read_archive, write_archive
from engram.storage.archive import VERSION

CONTENT: dict[str, Any] = {
    "nothing": None,
    "flags": [True, False],
    "numbers": [3, -(2**127), 0.1, float("inf"), float("-inf")],
    "text": "naïve \ud800",
    "arrays": [np.arange(35, dtype=np.uint8).reshape(5, 7), np.zeros(0, dtype=bool), np.array(2.5)],
    "tensors": {"weights": torch.randn(3, 5), "counts": torch.arange(7), "half": torch.ones(2, dtype=torch.bfloat16)},
}


def archive_of(path: Path, content: Any = CONTENT, kind: str = "snapshot") -> Path:
    with path.open("wb") as file:
        write_archive(file, kind, content)
    return path


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor | np.ndarray):
        return type(one) is type(other) and one.dtype == other.dtype and bool((one == other).all())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    found: Any = read_archive(archive_of(tmp_path / "a"), "snapshot")
    assert same(CONTENT, found)


def test_how_arrays_lie_in_memory_comes_back(tmp_path: Path) -> None:
    tensor = torch.randn(3, 5, 7, 2).contiguous(memory_format=torch.channels_last)
    array = np.asfortranarray(np.arange(35).reshape(5, 7))
    found: Any = read_archive(archive_of(tmp_path / "a", [tensor, array]), "snapshot")
    assert found[0].stride() == tensor.stride()
    assert bool((found[0] == tensor).all())
    assert found[1].strides == array.strides
    assert bool((found[1] == array).all())


def test_tuples_come_back_as_lists(tmp_path: Path) -> None:
    assert read_archive(archive_of(tmp_path / "a", (1, (2, 3))), "snapshot") == [1, [2, 3]]


@pytest.mark.parametrize("value", [object(), {1: 2}, {"$": 1}, {"a": [print]}, np.array(["text"]), np.array([None])])
def test_what_is_no_plain_data_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot be written|no plain data"):
        write_archive(io.BytesIO(), "snapshot", value)


def test_no_flipped_byte_changes_what_is_read(tmp_path: Path) -> None:
    whole = archive_of(tmp_path / "a", {"numbers": [1, 2], "weights": torch.ones(3)}).read_bytes()
    before: Any = read_archive(tmp_path / "a", "snapshot")
    path = tmp_path / "b"
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with contextlib.suppress(ValueError):
            assert same(before, read_archive(path, "snapshot"))  # a date, or another field that nothing is read from


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    path = archive_of(tmp_path / "a")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match="damaged"):
        read_archive(path, "snapshot")


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, changed: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write an archive anew with other members, and digests that are right."""
    from hashlib import sha256

    parts = {**members(path), **changed}
    head = json.loads(parts["archive.json"])
    if "archive.json" not in changed:
        head["digests"] = {name: sha256(data).hexdigest() for name, data in parts.items() if name in head["digests"]}
        parts["archive.json"] = json.dumps(head).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"content.json": b"[" * 100_000 + b"]" * 100_000}, "nested too deeply"),
        ({"content.json": b"{"}, "Expecting"),
        ({"content.json": b"\xff\xfe\xfa"}, "no text"),
        ({"content.json": b'{"$": "tensor", "name": "99"}'}, "no tensor '99'"),
        ({"content.json": b'{"$": "object", "class": "os.system"}'}, "nothing is that was written"),
        ({"content.json": b'{"$": "number", "is": "1e5"}'}, "nothing is that was written"),
        ({"content.json": b'{"$": "tensor", "name": "3", "axes": [0, 0]}'}, "axes"),
        ({"tensors.safetensors": b"\xff" * 64}, "damaged"),
        ({"more.pkl": b""}, "no archive of this project"),
        ({"archive.json": b"[]"}, "is none"),
        ({"archive.json": b'{"engram": "agent", "version": 1, "digests": {}}'}, "no snapshot"),
        ({"archive.json": b'{"engram": "snapshot", "version": true, "digests": {}}'}, "is none"),
        (
            {"archive.json": f'{{"engram": "snapshot", "version": {VERSION + 1}, "digests": {{}}}}'.encode()},
            "reads those up to",
        ),
    ],
)
def test_what_was_altered_is_refused_in_a_line(tmp_path: Path, changed: dict[str, bytes], line: str) -> None:
    path = rewritten(archive_of(tmp_path / "a"), changed)
    with pytest.raises(ValueError, match=line) as caught:
        read_archive(path, "snapshot")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_compressed_is_refused(tmp_path: Path) -> None:
    path = rewritten(archive_of(tmp_path / "a"), {"content.json": b" " * 10_000_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        read_archive(path, "snapshot")


def test_digests_that_are_not_those_of_the_members_are_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a")
    rewritten(path, {"content.json": b"[]", "archive.json": members(path)["archive.json"]})
    with pytest.raises(ValueError, match="not what was written"):
        read_archive(path, "snapshot")
