"""The loop of docs/how_to/export.md plays the example agent, and needs no torch."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from engram.agents.export.onnx import export_onnx
from engram.evidence.runs.open import load_run

ROOT = Path(__file__).parents[2]
LOOP = ROOT / "examples" / "onnx_agent.py"
EPISODES = 20
WITHOUT_TORCH = """\
import sys
import numpy as np
from onnx_agent import OnnxAgent

agent = OnnxAgent(sys.argv[1])
seen = {name: np.zeros(leaf["shape"]) for name, leaf in agent.about["observation"].items()}
print(agent.act(seen, [True]), agent.act(seen, [False]))
assert not {"torch", "engram", "gymnasium"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "policy.onnx"
    export_onnx(load_run(ROOT / "examples" / "agent", n_envs=1, device="cpu").model, path)
    return path


def test_the_loop_solves_the_task(file: Path) -> None:
    spec = spec_from_file_location("onnx_agent", LOOP)
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    agent, env = module.OnnxAgent(str(file)), load_run(ROOT / "examples" / "agent", n_envs=1, device="cpu").env
    observation, starts, successes = env.reset(), [True], []
    while len(successes) < EPISODES:
        action = agent.act({"observation": observation}, starts)
        observation, _, starts, infos = env.step(action)
        successes += [info["is_success"] for info, over in zip(infos, starts, strict=True) if over]
    assert all(successes)  # a guesser has half of them


def test_it_needs_no_torch(file: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(file)]
    done = subprocess.run(command, cwd=LOOP.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_shows_the_loop() -> None:
    page = (ROOT / "docs" / "how_to" / "export.md").read_text()
    assert f'--8<-- "{LOOP.relative_to(ROOT)}"' in page
    code = [line for line in LOOP.read_text().splitlines() if line.strip() and '"""' not in line]
    assert len(code) <= 20
