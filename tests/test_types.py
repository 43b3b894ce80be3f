"""A type checker sees through the import name into every folder of the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
WRONG = """\
from engram.agents.rollout.returns import generalized_advantages
from engram.envs import make_env

make_env("Engram-TMaze-v0", pixels="eight")
generalized_advantages("rewards")
"""


def test_a_wrong_call_into_another_folder_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-pretty", str(planted)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line.partition("planted.py:")[2] for line in done.stdout.splitlines() if "planted.py:" in line]
    assert any(line.startswith('4: error: Argument "pixels" to "make_env"') for line in lines), done.stdout
    assert any(line.startswith("5: error: ") for line in lines), done.stdout
