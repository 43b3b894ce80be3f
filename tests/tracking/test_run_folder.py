"""Run folders are never shared, and what is in them is whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from engram.tracking import RunFolder
from engram.tracking.atomic import replacing, write_json


class Saved:
    """Stands in for a model: saves some bytes, or fails halfway."""

    def __init__(self, content: bytes, fails: bool = False) -> None:
        self.content = content
        self.fails = fails

    def save(self, file: io.BufferedIOBase) -> None:
        file.write(self.content)
        if self.fails:
            raise KeyboardInterrupt


def save(folder: RunFolder, model: Saved) -> None:
    folder.save_model(model, "latest")


def test_two_runs_at_the_same_second_do_not_share_a_folder(tmp_path: Path) -> None:
    folders = [RunFolder.create(tmp_path / "runs", "a", 3) for _ in range(5)]
    assert len({folder.path for folder in folders}) == 5
    assert all(folder.path.parent == tmp_path / "runs" / "a" for folder in folders)
    assert all(folder.path.name.startswith("seed3-") for folder in folders)


def test_name_cannot_lead_out_of_the_folder_of_runs(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, "a/../b c", 0).path.parent == tmp_path / "a_.._b_c"


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"runs_dir=.*file"):
        RunFolder.create(tmp_path / "file", "a", 0)


def test_interrupted_save_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    save(folder, Saved(b"first"))
    with pytest.raises(KeyboardInterrupt):
        save(folder, Saved(b"second, half writ", fails=True))
    assert folder.checkpoint("latest").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["latest.zip"]


def test_new_file_is_in_place_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_json_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="nan"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n  "a": 1\n}\n'


def test_folder_that_is_not_there_suggests_its_neighbor(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "tmaze", 0).path
    with pytest.raises(ValueError, match=r"no such run folder; did you mean .*seed0"):
        RunFolder.open(run.with_name(run.name[:-1]))


def test_folder_of_several_runs_suggests_the_newest(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "tmaze", 0)
    folder.config.write_text("")
    with pytest.raises(ValueError, match=f"did you mean {folder.path}"):
        RunFolder.open(tmp_path)


def test_folder_without_a_model_is_refused_and_with_one_is_opened(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "tmaze", 0)
    folder.config.write_text("")
    with pytest.raises(ValueError, match="no model"):
        RunFolder.open(folder.path)
    save(folder, Saved(b"x"))
    assert RunFolder.open(folder.path) == folder


def test_earlier_results_are_copied_and_stay_until_new_ones_take_their_places(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.evaluation.write_text("old")
    before = folder.keep_previous(folder.evaluation, folder.horizon)
    assert before is not None
    assert folder.evaluation.read_text() == (before / folder.evaluation.name).read_text() == "old"
    assert [file.name for file in before.iterdir()] == [folder.evaluation.name]
    assert folder.keep_previous(folder.horizon) is None
