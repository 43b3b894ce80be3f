"""Imports point one way: the block diagram is the folder tree."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"agents", "configs", "envs", "evaluate", "evidence", "memory", "report", "tracking", "train"}
# Who may import which of ours. Only the entry scripts see a config.
MAY_IMPORT = {
    "memory": set(),
    "agents": {"memory"},
    "envs": set(),
    "configs": set(),
    "tracking": {"agents", "memory"},
    "evidence": {"agents", "configs", "envs", "memory", "tracking"},
    "evaluate": {"agents", "configs", "evidence", "tracking"},
    "report": {"configs", "evidence", "tracking"},
    "train": {"agents", "configs", "envs", "evidence", "tracking"},
}


def imported(source: str) -> Iterator[str]:
    """Yield the top-level names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield (node.module or "").partition(".")[0]


def violations(root: Path) -> list[str]:
    """List what is imported against the direction."""
    found = []
    for importer, allowed in MAY_IMPORT.items():
        for file in sorted([*root.glob(f"{importer}.py"), *root.glob(f"{importer}/**/*.py")]):
            for name in imported(file.read_text()):
                if name in OURS - allowed - {importer}:
                    found.append(f"{file.relative_to(root)} imports {name}")
                elif importer == "memory" and name not in {*sys.stdlib_module_names, "torch", "memory"}:
                    found.append(f"{file.relative_to(root)} imports {name}: memory/ needs torch only")
    return found


def test_everything_that_is_ours_is_looked_at() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {path.stem for path in ROOT.glob("*.py")}
    assert packages - {"benchmarks", "tests"} == OURS == set(MAY_IMPORT)


def test_imports_point_one_way() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("agents/ppo.py", "from envs import make_env"),
        ("agents/ppo.py", "def late():\n    import tracking.layouts"),
        ("memory/core.py", "from agents.policy import MemoryPolicy"),
        ("memory/core.py", "import numpy as np"),
        ("envs/match.py", "import memory"),
        ("tracking/metrics.py", "from configs.schema import TrainConfig"),
        ("configs/schema.py", "import train"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir()
    planted.write_text(f"import torch\n{line}\n")
    assert len(violations(tmp_path)) == 1
