"""Breaks the code on purpose, one line at a time, and sees whether the related tests notice.

    python tests/mutants.py --count 40 --seed 0            40 mutants over memory, agents, envs and evidence
    python tests/mutants.py --count 10 --only memory/ntm   in this folder only
    python tests/mutants.py --list                         shows what would be drawn

A mutant is one change in one line: another comparison, operator, constant or truth value, a condition turned round, a
call left out. It is made in a copy of the working tree, never in the tree itself. The tests of the folder that the file
mirrors are run, then those of the boxes that use it. A mutant that all of them let pass is a survivor: a test is
missing, or the change means nothing. The exit code is the number of survivors.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BOXES = ("memory", "agents", "envs", "evidence")
USERS = {
    "memory": [
        "tests/memory/test_laws.py",
        "tests/memory/test_it_learns.py",
        "tests/agents/test_replay.py",
        "tests/configs",
    ],
    "agents": ["tests/agents", "tests/cli/test_train.py"],
    "envs": ["tests/envs", "tests/cli/test_train.py"],
    "evidence": ["tests/evidence", "tests/cli/test_evaluate.py", "tests/cli/test_report.py"],
}
"""Tests of what uses a box, run where those of its own folder find nothing."""
COPIED = (
    "engram",
    "agents",
    "cli",
    "configs",
    "envs",
    "evidence",
    "memory",
    "storage",
    "tracking",
    "tests",
    "benchmarks",
    "docs",
    "examples",
)
SECONDS = 600

_COMPARISONS = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
_OPERATORS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "+"}
_SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="} | {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}


class Mutant(NamedTuple):
    """One changed line."""

    file: str
    line: int
    before: str
    after: str


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Yield every mutant of a file; what is an annotation, a docstring or a message to people is left alone."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    name = str(file.relative_to(ROOT))

    def changed(line: int, begin: int, end: int, new: str) -> Mutant:
        old = lines[line - 1].encode()
        after = (old[:begin] + new.encode() + old[end:]).decode()
        return Mutant(name, line, lines[line - 1].strip(), after.strip())

    def between(left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Mutant]:
        if left.end_lineno == right.lineno and left.end_col_offset is not None:
            row = lines[right.lineno - 1].encode()
            at = row.find(old.encode(), left.end_col_offset, right.col_offset)
            if at >= 0:
                yield changed(right.lineno, at, at + len(old), new)

    for node in _code(ast.parse(text)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            kind = type(node.ops[0])
            yield from between(node.left, node.comparators[0], _SIGNS[kind], _COMPARISONS[kind])
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            yield from between(node.left, node.right, _SIGNS[type(node.op)], _OPERATORS[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            yield from between(node.values[0], node.values[1], old, new)
        elif isinstance(node, ast.Constant) and node.end_col_offset is not None:
            if isinstance(node.value, bool):
                yield changed(node.lineno, node.col_offset, node.end_col_offset, str(not node.value))
            elif isinstance(node.value, int | float):
                yield changed(node.lineno, node.col_offset, node.end_col_offset, repr(node.value + 1))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and node.operand.lineno == node.lineno:
            yield changed(node.lineno, node.col_offset, node.operand.col_offset, "")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.lineno == node.end_lineno:
            assert node.end_col_offset is not None
            yield changed(node.lineno, node.col_offset, node.end_col_offset, "pass")


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk through what a program does: no annotations, no strings, no raised messages."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and not isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
                yield node
                yield from _code(node)


def draw(count: int, seed: int, only: str) -> list[Mutant]:
    """Draw mutants: first a box, then a file by its length, then a line, so that no box goes without."""
    rng = random.Random(seed)
    boxes = [[m for file in sorted((ROOT / box).rglob("*.py")) for m in mutants_of(file)] for box in BOXES]
    boxes = [found for found in ([m for m in box if m.file.startswith(only)] for box in boxes) if found]
    drawn: list[Mutant] = []
    while len(drawn) < min(count, sum(map(len, boxes))):
        mutant = rng.choice(boxes[len(drawn) % len(boxes)])
        if mutant not in drawn:
            drawn.append(mutant)
    return drawn


def related(file: str) -> list[list[str]]:
    """Return the tests to run for a file, the nearest first."""
    folder, box = Path(file).parent, file.partition("/")[0]
    while not (ROOT / "tests" / folder).is_dir():
        folder = folder.parent
    return [[f"tests/{folder}"], [test for test in USERS[box] if (ROOT / test).exists()]]


def survives(mutant: Mutant, copy: Path) -> bool:
    """Tell whether all related tests pass with the mutant in a copy of the tree."""
    path = copy / mutant.file
    whole = path.read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    row = lines[mutant.line - 1]
    lines[mutant.line - 1] = row.replace(mutant.before, mutant.after, 1)
    environ = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    path.write_text("".join(lines), encoding="utf-8")
    try:
        for tests in related(mutant.file):
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
            try:
                done = subprocess.run(command, cwd=copy, env=environ, capture_output=True, timeout=SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return False
            if done.returncode:
                return False
        return True
    finally:
        path.write_text(whole, encoding="utf-8")


def main() -> int:
    """Run the command line; return the number of survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40, help="mutants to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="PATH", help="files whose path begins so, such as memory/ntm")
    parser.add_argument("--list", action="store_true", help="show the mutants and run nothing")
    options = parser.parse_args()
    drawn = draw(options.count, options.seed, options.only)
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        if not options.list:
            for name in (
                *COPIED,
                "pyproject.toml",
                "train.py",
                "evaluate.py",
                "report.py",
                "README.md",
                "CITATION.cff",
            ):
                source = ROOT / name
                if source.is_dir():
                    shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
                elif source.exists():
                    shutil.copy(source, copy)
        for number, mutant in enumerate(drawn, start=1):
            started = time.monotonic()
            alive = not options.list and survives(mutant, copy)
            survivors += alive
            fate = (
                "" if options.list else ("SURVIVED" if alive else "killed") + f" in {time.monotonic() - started:.0f} s"
            )
            print(
                f"{number:>3} {mutant.file}:{mutant.line} {fate}\n    - {mutant.before}\n    + {mutant.after}",
                flush=True,
            )
    if not options.list:
        print(f"{len(drawn) - survivors} of {len(drawn)} killed")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
