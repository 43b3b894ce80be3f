"""The config.yaml of a run may be a stranger's: what it could harm by is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engram.configs import CannotRun, load
from engram.configs.saved_file import DEEPEST, LARGEST

ROOT = Path(__file__).parents[2]
OF_A_RUN = (ROOT / "examples" / "agent" / "config.yaml").read_text()
LEVELS = "\n".join(
    f"{letter}: &{letter} [{', '.join([f'*{below}'] * 9)}]" for below, letter in zip("abcd", "bcde", strict=True)
)


def refused(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CannotRun) as caught:
        load(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_config_as_it_was_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(OF_A_RUN)
    assert load(tmp_path / "config.yaml").env.id == "Engram-TMaze-v0"


def test_aliases_are_refused_before_they_are_followed(tmp_path: Path) -> None:
    line = refused(tmp_path, f"a: &a [{', '.join('x' * 9)}]\n{LEVELS}\n{OF_A_RUN}")
    assert "line 2: an alias, *a, which no config of a run has" in line


@pytest.mark.parametrize("looked_up", ["${oc.env:HOME}", "x${seed}", "${oc.decode:1}", "'${name}'"])
def test_nothing_is_looked_up(tmp_path: Path, looked_up: str) -> None:
    assert "which is looked up" in refused(tmp_path, f"{OF_A_RUN}\nnotes: {looked_up}\n")
    assert "which is looked up" in refused(tmp_path, f"{OF_A_RUN}\n{looked_up}: 3\n")


def test_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    assert f"larger than {LARGEST:,} bytes" in refused(tmp_path, "a: " + "x" * LARGEST)
    assert "nested deeper" in refused(tmp_path, "a: " + "[" * (DEEPEST + 1))
    assert "nested deeper" in refused(tmp_path, "a: " + "[" * 100_000)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    assert "no text" in refused(tmp_path, b"\xff\xfe\x00")


def test_no_object_is_made(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{OF_A_RUN}\nnotes: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        load(path)
