"""Imports point one way: the block diagram is the folder tree."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Boxes, and which of ours each may import beside itself. A file is of the innermost box that holds it; "memory" allows
# the modules at the top of memory/, not those in the folders within. What joins the boxes of a folder (`ASSEMBLERS`)
# may import all of them, and no box imports it.
MAY_IMPORT: dict[str, set[str]] = {
    "memory": {"memory/native"},
    "memory/native": set(),
    "memory/addressing": set(),
    "memory/transformer": {"memory", "memory/native"},
    "memory/controllers": {"memory", "memory/native", "memory/transformer"},
    "memory/feedback": {"memory", "memory/controllers", "memory/native"},
    "memory/episodic": {"memory", "memory/native"},
    "memory/fast_weight": {"memory", "memory/addressing", "memory/native"},
    "memory/ntm": {"memory", "memory/addressing", "memory/feedback"},
    "memory/dnc": {"memory", "memory/addressing", "memory/feedback"},
    "storage": set(),
    "agents": {"memory", "memory/native", "storage"},
    "agents/carried": {"agents", "agents/exploration", "memory", "storage"},
    "agents/exploration": {"agents", "memory", "storage"},
    "agents/rollout": {"agents", "agents/exploration", "memory"},
    "agents/learning": {"agents", "agents/rollout", "memory", "storage"},
    "agents/export": {"agents", "memory"},
    "agents/evaluation": {"agents", "agents/rollout", "memory", "memory/episodic"},
    "envs": set(),
    "envs/tasks/mazes/generation": {"envs"},
    "envs/tasks/mazes": {"envs", "envs/tasks/mazes/generation"},
    "envs/tasks/sequences": {"envs"},
    "envs/tasks/control": set(),
    "envs/tasks/tmaze": {"envs"},
    "envs/wrappers": {"envs"},
    "envs/split": {"envs"},
    "envs/batched": {  # its VecEnvs stand for tasks and the wrappers around them
        "envs",
        "envs/split",
        "envs/tasks/mazes",
        "envs/tasks/sequences",
        "envs/tasks/tmaze",
        "envs/wrappers",
    },
    "envs/device": {
        "envs",
        "envs/batched",
        "envs/split",
        "envs/tasks/mazes",
        "envs/tasks/sequences",
        "envs/tasks/tmaze",
        "envs/wrappers",
    },
    "envs/state/plain": {"envs/tasks/mazes", "envs/tasks/mazes/generation"},  # whose scenes it knows by name
    "envs/state": {
        "envs",
        "envs/batched",
        "envs/device",
        "envs/state/plain",
        "envs/tasks/sequences",
        "envs/tasks/tmaze",
        "envs/wrappers",
    },
    "envs/play": {
        "cli/terminal",
        "envs",
        "envs/factory.py",
        "envs/split",
        "envs/tasks/sequences",
        "envs/tasks/tmaze",
        "envs/wrappers",
    },
    "configs": set(),
    "tracking": {"storage"},
    "tracking/callbacks": {
        "agents",
        "agents/carried",
        "agents/evaluation",
        "agents/rollout",
        "memory",
        "storage",
        "tracking",
    },
    "tracking/writers": {"tracking"},
    "evidence": set(),
    "evidence/runs": {"agents", "agents/evaluation", "configs", "envs", "envs/split", "evidence", "memory", "tracking"},
    "cli/grid": {"configs", "evidence/runs", "tracking"},
    "cli/terminal": set(),
    "cli/training": {
        "cli/grid",
        "cli/terminal",
        "agents",
        "agents/carried",
        "agents/learning",
        "configs",
        "envs",
        "envs/split",
        "envs/state",
        "evidence",
        "storage",
        "tracking",
        "tracking/callbacks",
        "tracking/writers",
    },
    "cli": {
        "cli/grid",
        "cli/terminal",
        "cli/training",
        "agents",
        "agents/export",
        "configs",
        "envs",
        "envs/state",
        "evidence",
        "storage",
        "tracking",
        "tracking/callbacks",
        "tracking/writers",
    },
    "engram": {"agents", "cli/training", "envs", "evidence/runs", "memory"},
}
_RUN = {
    "agents",
    "agents/evaluation",
    "agents/rollout",
    "configs",
    "envs",
    "envs/split",
    "evidence",
    "evidence/runs",
    "tracking",
}
MAY_IMPORT["evidence/evaluation"] = _RUN
MAY_IMPORT["evidence/horizon"] = _RUN | {"evidence/evaluation"}
MAY_IMPORT["evidence/comparison"] = {"configs", "evidence", "evidence/runs", "tracking"}
MAY_IMPORT["evidence/explanation"] = (_RUN | {"memory", "envs/wrappers"}) - {"envs/split"}
MAY_IMPORT["evidence/report"] = MAY_IMPORT["evidence/comparison"] | {
    "evidence/comparison",
    "evidence/evaluation",
    "evidence/horizon",
}
for box in ("cli", "cli/training"):
    MAY_IMPORT[box] |= {other for other in MAY_IMPORT if other.startswith("evidence/")}
ASSEMBLERS = {
    "memory/__init__.py",
    "memory/core.py",
    "memory/registry.py",
    "agents/__init__.py",
    "agents/ppo.py",
    "envs/__init__.py",
    "envs/factory.py",
}
TAKES_FROM_THE_TOP = {"agents/ppo.py"}  # it is handed what makes an env by its id, and so knows no tasks itself
MOST_MODULES = 14


def imported(source: str) -> Iterator[str]:
    """Yield the modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def box_of(path: str) -> str | None:
    """Return the innermost box that holds a path; None if it is none of ours."""
    parts = path.split("/")
    inner = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((name for name in inner if name in MAY_IMPORT), None)


def module_path(root: Path, module: str) -> str:
    """Return the path of a module of ours below `root`, or where a file of that name would be."""
    path = module.removeprefix("engram").removeprefix(".").replace(".", "/")
    return f"{path}/__init__.py" if (root / path).is_dir() else f"{path}.py"


def violations(root: Path) -> list[str]:
    """List what is imported against the direction."""
    found = []
    tops = {box.partition("/")[0] for box in MAY_IMPORT}
    for file in sorted(
        file for top in tops for file in root.glob(f"{top}/**/*.py") if "engram/" not in str(file)[:-12]
    ):
        importer = str(file.relative_to(root))
        box = box_of(importer)
        assert box is not None
        for module in imported(file.read_text()):
            top = module.partition(".")[0]
            if module == "engram":
                if importer not in TAKES_FROM_THE_TOP:
                    found.append(f"{importer} imports the whole of engram")
            elif top == "engram":
                target = module_path(root, module)
                other = box_of(target)
                inside = importer in ASSEMBLERS and (other or "").startswith(f"{box}/")
                if other is None:
                    found.append(f"{importer} imports {module}, which is none of ours")
                elif target in ASSEMBLERS and not target.endswith("__init__.py") and importer not in ASSEMBLERS:
                    if other == box.partition("/")[0] and target not in MAY_IMPORT[box]:
                        found.append(f"{importer} imports {module}, which joins it with others")
                elif other != box and other not in MAY_IMPORT[box] and not inside:
                    found.append(f"{importer} imports {module}: {box} may not import {other}")
            elif top in {"tests", "benchmarks", "train", "evaluate", "report", "export", *tops}:
                found.append(f"{importer} imports {module}: only what lies under engram is installed")
            elif box.startswith("memory") and top not in {*sys.stdlib_module_names, "torch"}:
                found.append(f"{importer} imports {module}: memory/ needs torch only")
    return found


def test_every_folder_of_ours_is_looked_at() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"benchmarks", "tests"} == {box.partition("/")[0] for box in MAY_IMPORT}
    assert all((ROOT / box).is_dir() for box in MAY_IMPORT), "a box that is no folder"
    assert all((ROOT / file).is_file() for file in ASSEMBLERS)


def test_arrows_between_boxes_have_no_circle() -> None:
    def reached(box: str, path: tuple[str, ...] = ()) -> None:
        assert box not in path, f"a circle: {' -> '.join([*path, box])}"
        for other in MAY_IMPORT[box] & MAY_IMPORT.keys():
            reached(other, (*path, box))

    for box in MAY_IMPORT:
        reached(box)


def test_every_arrow_between_boxes_of_the_memory_is_used() -> None:
    used = set()
    for file in ROOT.glob("memory/**/*.py"):
        importer = str(file.relative_to(ROOT))
        ours = [module for module in imported(file.read_text()) if module.startswith("engram.")]
        used |= {(box_of(importer), box_of(module_path(ROOT, module))) for module in ours if importer not in ASSEMBLERS}
    listed = {(box, other) for box in MAY_IMPORT if box.startswith("memory") for other in MAY_IMPORT[box]}
    assert listed <= used


def test_imports_point_one_way() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("agents/ppo.py", "from engram.envs import make_env"),
        ("agents/ppo.py", "def late():\n    import engram.tracking.callbacks.layouts"),
        ("agents/ppo.py", "from agents.policy import MemoryPolicy"),
        ("agents/ppo.py", "from engram.nowhere import MemoryPolicy"),
        ("memory/core.py", "from engram.agents.policy import MemoryPolicy"),
        ("memory/core.py", "import numpy as np"),
        ("memory/ntm/memory.py", "from engram.memory.dnc.memory import DNC"),
        ("memory/ntm/memory.py", "from engram.memory.registry import MEMORIES"),
        ("memory/interface.py", "from engram.memory.feedback.feedback_memory import FeedbackMemory"),
        ("memory/controllers/gru/definition.py", "from engram.memory.feedback.loop import FeedbackLoop"),
        ("memory/feedback/loop.py", "from engram.memory.ntm.memory import NTM"),
        ("memory/addressing/content.py", "from engram.memory.state import State"),
        ("envs/tasks/mazes/match.py", "import engram.memory"),
        ("envs/tasks/mazes/match.py", "from engram.envs.wrappers.symbols import SymbolView"),
        ("envs/tasks/sequences/chain.py", "from engram.envs.tasks.mazes.maze import Maze"),
        ("envs/wrappers/cue.py", "from engram.envs.tasks.mazes.match import Match"),
        ("envs/split/by_layout.py", "from engram.envs.tasks.tmaze.env import TMaze"),
        ("tracking/writers/csv.py", "from engram.configs.schema import TrainConfig"),
        ("evidence/evaluation/scores.py", "from engram.evidence.report.page import write_page"),
        ("evidence/statistics.py", "from engram.evidence.runs.settings import AS_TRAINED"),
        ("evidence/runs/groups.py", "from engram.evidence.evaluation.scores import Score"),
        ("evidence/comparison/compare.py", "from engram.evidence.horizon.curve import falls_below"),
        ("configs/schema.py", "import engram.cli.train"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(f"import torch\n{line}\n" if file != "configs/schema.py" else f"{line}\n")
    assert len(violations(tmp_path)) == 1


def test_no_folder_is_crowded() -> None:
    folders = {
        file.parent
        for file in ROOT.glob("*/**/*.py")
        if file.is_relative_to(ROOT / "benchmarks") or box_of(str(file.relative_to(ROOT)))
    }
    for folder in sorted(folders):
        modules = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder.relative_to(ROOT)} has {len(modules)} modules"
