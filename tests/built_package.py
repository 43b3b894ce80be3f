"""Builds the wheel from a copy of the checkout, so that what earlier builds have left cannot get into it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_PACKAGES = {"benchmarks", "docs", "tests"}
TOPS = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_PACKAGES)
"""The folders at the top of the checkout whose files are installed; `engram` is one of them."""
SUFFIXES = {".py", ".yaml", ".c", ".h", ".html", ".css", ".js", ".typed"}


def expected_files() -> set[str]:
    """Return the names of all files of ours that a wheel has to install."""
    boxes = [ROOT / top for top in TOPS if top != "engram"]
    files = [file for box in boxes for file in box.rglob("*") if file.suffix in SUFFIXES]
    own = {f"engram/{file.name}" for file in (ROOT / "engram").iterdir() if file.suffix in SUFFIXES}
    return own | {f"engram/{file.relative_to(ROOT)}" for file in files if "__pycache__" not in file.parts}


def copy_of_checkout(folder: Path) -> Path:
    """Copy what a package is built from; links stay links."""
    folder.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for top in TOPS:
        shutil.copytree(ROOT / top, folder / top, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def build(kind: str, source: Path, into: Path) -> Path:
    """Build a distribution and return its file.

    Args:
        kind: wheel or sdist.
        source: the folder of pyproject.toml.
        into: a folder that does not exist yet.
    """
    into.mkdir()
    code = f"import sys; from setuptools.build_meta import build_{kind} as build; build(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(into)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = into.iterdir()
    return file


def names_in(wheel: Path) -> set[str]:
    """Return the names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())
