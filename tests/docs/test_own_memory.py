"""The page's example is run as it stands."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engram.memory import MEMORIES

PAGE = Path(__file__).parent.parent.parent / "docs" / "how_to" / "own_memory.md"


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    """The page's two pieces of code; the first is a module that can be imported."""
    memory, script = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my_trace.py").write_text(memory)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield memory, script
    MEMORIES.pop("trace", None)
    sys.modules.pop("my_trace", None)


def test_the_example_trains_saves_and_loads(blocks):
    _, script = blocks
    module = importlib.import_module("my_trace")
    names = {}
    exec(script, names)
    model, loaded = names["model"], names["MemoryPPO"].load("agent")
    assert isinstance(loaded.policy.core.memory, module.Trace)
    assert model.num_timesteps >= 2_048
    observation, state, start = np.zeros((3, 4), dtype=np.float32), None, np.ones(3, dtype=bool)
    for _ in range(4):
        both = [made.predict(observation, state, start, deterministic=True) for made in (model, loaded)]
        assert both[0][0].tolist() == both[1][0].tolist()
        (_, state), start = both[0], np.zeros(3, dtype=bool)


def test_what_it_saved_can_be_loaded_by_another_process(blocks):
    importlib.import_module("my_trace")
    exec(blocks[1], {})
    load = "import my_trace; from agents import MemoryPPO; print(type(MemoryPPO.load('agent').policy.core.memory))"
    path = os.pathsep.join([str(PAGE.parents[2]), os.getcwd()])
    done = subprocess.run(
        [sys.executable, "-c", load], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert "my_trace.Trace" in done.stdout


def test_the_example_is_short(blocks):
    assert len([line for line in blocks[0].splitlines() if line.strip()]) < 40
