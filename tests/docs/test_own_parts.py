"""A memory and an encoder of one's own, the whole way that the pages show: file, command lines, script."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engram.agents import ENCODERS
from engram.memory import MEMORIES

ROOT = Path(__file__).parents[2]
PAGES = {"my_trace": "own_memory.md", "my_encoders": "own_encoder.md"}
TINY = (
    "env.n_envs=3",
    "env.split=false",
    "controller.hidden_size=11",
    "ppo.n_steps=16",
    "ppo.batch_size=16",
    "total_timesteps=96",
    "eval.every=48",
    "eval.episodes=3",
    "eval.final_episodes=3",
    "eval.test_settings=false",
    "eval.film=false",
    "tracking=disabled",
)


@pytest.fixture(params=PAGES)
def page(request, tmp_path, monkeypatch):
    """A page's example in an empty folder: name of the module, the page's script and its first command line."""
    text = (ROOT / "docs" / "how_to" / PAGES[request.param]).read_text()
    source, script = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    (tmp_path / f"{request.param}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    registries = [(registry, dict(registry)) for registry in (MEMORIES, ENCODERS)]
    yield request.param, script, command.split()
    for registry, content in registries:
        registry.clear()
        registry.update(content)
    sys.modules.pop(request.param, None)


def program(script, *words):
    """Run a script of the checkout from the current folder, which it finds by itself."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *words], capture_output=True, text=True, check=False, timeout=300
    )


def test_the_script_trains_saves_and_loads(page):
    module, script, _ = page
    names = {}
    exec(script, names)
    model, loaded = names["model"], names["MemoryPPO"].load("agent")
    for part in ("core.memory", "features_extractor"):
        mine, theirs = (type(agent.policy.get_submodule(part)) for agent in (model, loaded))
        assert mine is theirs
    assert module in {type(part).__module__ for part in loaded.policy.modules()}
    observation, state, start = np.zeros((3, 4), dtype=np.float32), None, np.ones(3, dtype=bool)
    for _ in range(4):
        both = [made.predict(observation, state, start, deterministic=True) for made in (model, loaded)]
        assert both[0][0].tolist() == both[1][0].tolist()
        (_, state), start = both[0], np.zeros(3, dtype=bool)


def test_the_command_line_trains_and_what_it_leaves_is_evaluated_and_loaded(page):
    module, _, (_, train, *words) = page
    done = program(train, *words, *TINY)
    assert done.returncode == 0, done.stderr
    (run,) = Path("runs").glob("*/seed*")
    key, width = next(word.split("=") for word in words if ".width=" in word)
    assert f"  width: {width}\n" in (run / "config.yaml").read_text()
    part = key.partition(".")[0]
    # Code is not the run's: it is imported where whoever evaluates names it, too.
    done = program("evaluate.py", str(run), "--intact-only", "--episodes", "2")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"if you trust it, name it, too: {part}.module={module}\n" in done.stderr
    code = (
        f"import {module}\nfrom engram import load_run\nrun = load_run({str(run)!r}, n_envs=2)\n"
        "actions, state = run.model.predict(run.env.reset())\nrun.env.step(actions)\n"
        "print({type(part).__module__ for part in run.model.policy.modules()}, run.config.name, run.env.num_envs)"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert f"'{module}'" in done.stdout, done.stderr
    assert done.stdout.endswith(" None 2\n")
    # Moved since: the line says what is missing, and the module can be named.
    Path(f"{module}.py").rename("moved_since.py")
    script, *more = ("report.py", "--out", "report") if part == "memory" else ("evaluate.py", "--intact-only")
    done = program(script, str(run), f"{part}.module={module}", *more)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"{script}: {part}.module='{module}' cannot be imported" in done.stderr
    done = program(script, str(run), f"{part}.module=moved_since", *more)
    assert done.returncode == 0, done.stderr


def test_the_examples_are_short(page):
    source = Path(f"{page[0]}.py").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) < 40
    assert importlib.import_module(page[0])
