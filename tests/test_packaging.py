"""What is installed is complete, and the files that speak of the version agree."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


SETUPTOOLS = PROJECT["tool"]["setuptools"]


def folder_of(package: str) -> Path:
    """Return where the files of an installed package lie in the checkout."""
    return ROOT if package == "" else ROOT.joinpath(*package.removeprefix("engram.").split("."))


def test_every_folder_with_code_or_yaml_is_a_package() -> None:
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "engram", "tests"}
    files = [file for top in tops for kind in ("*.py", "*.yaml", "*.html") for file in (ROOT / top).rglob(kind)]
    folders = {".".join(("engram", *file.parent.relative_to(ROOT).parts)) for file in files}
    assert sorted(folders | {"engram"}) == sorted(SETUPTOOLS["packages"])
    assert SETUPTOOLS["package-dir"] == {"engram": "engram", **{f"engram.{top}": top for top in tops}}


def test_every_box_can_be_found_by_a_type_checker() -> None:
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "engram", "tests"}
    links = {path.name: path.resolve() for path in (ROOT / "engram").iterdir() if path.is_symlink()}
    assert links == {top: (ROOT / top).resolve() for top in tops}


def test_every_other_file_of_a_package_is_installed() -> None:
    folders = [folder_of(package) for package in SETUPTOOLS["packages"]]
    others = [file for folder in folders for file in folder.iterdir() if file.is_file() and file.suffix != ".py"]
    assert {file.suffix for file in others} >= {".c", ".html", ".yaml"}
    for file in others:
        assert any(file.match(pattern) for pattern in SETUPTOOLS["package-data"]["*"]), file


@pytest.mark.parametrize("requirement", PROJECT["project"]["dependencies"])
def test_every_dependency_has_a_cap_and_fits(requirement: str) -> None:
    parsed = Requirement(requirement)
    assert any(part.operator == "<" for part in parsed.specifier), "a future version may break us"
    assert version(parsed.name) in parsed.specifier


def test_every_python_that_is_declared_is_named() -> None:
    named = {line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if "Python :: 3." in line}
    assert named == {"3.11", "3.12", "3.13"}
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"


def test_version_is_the_same_everywhere() -> None:
    declared = PROJECT["project"]["version"]
    assert f"version: {declared}\n" in (ROOT / "CITATION.cff").read_text()
    assert version("engram-rl") == declared


def test_changelog_has_the_fixed_headings() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Changelog", "[Unreleased]"]
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(heading in allowed or heading.startswith("[") for heading in headings[1:])
