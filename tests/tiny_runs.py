"""Configurations of runs that take a second, and one such run, made once per process."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

from hydra import compose, initialize_config_module

from engram.agents import MemoryPPO
from engram.cli.train import train
from engram.configs import TrainConfig, checked, register
from engram.evidence.runs.identity import run_digest

TINY = (
    "env=tmaze",
    "env.kwargs.delay=[2,20]",
    "env.n_envs=6",
    "memory.slots=7",
    "memory.heads=2",
    "memory.key_size=5",
    "memory.value_size=3",
    "controller.hidden_size=11",
    "ppo.n_steps=32",
    "ppo.chunk_length=16",
    "ppo.batch_size=96",
    "ppo.n_epochs=1",
    "ppo.features_dim=13",
    "total_timesteps=400",
    "eval.leakage_resets=20",
    "eval.every=190",
    "eval.episodes=6",
    "eval.final_episodes=6",
    "eval.test_settings=false",
    "eval.n_envs=3",
    "tracking=disabled",
)


def composed(*overrides: str) -> TrainConfig:
    """Compose a configuration as `train.py` does."""
    register()
    with initialize_config_module("engram.configs", version_base="1.3"):
        return checked(compose("train", list(overrides)))


@functools.cache
def tiny_run() -> Path:
    """Return the folder of a run that has been trained (hardly) and evaluated, with Weights & Biases offline."""
    runs = Path(tempfile.mkdtemp(prefix="engram-tests-"))
    atexit.register(shutil.rmtree, runs, ignore_errors=True)
    train(composed(*TINY, "tracking=offline", f"runs_dir={runs}"), "tiny")
    (folder,) = (runs / "tiny").iterdir()
    return folder


def copy_of_run(path: Path) -> Path:
    """Return a copy of the tiny run, in a folder of that name."""
    return Path(shutil.copytree(tiny_run(), path, ignore=shutil.ignore_patterns("wandb")))


def as_another_seed(run: Path, path: Path, seed: int) -> Path:
    """Return a copy of a run that says of itself that it was trained with another seed."""
    other = Path(shutil.copytree(run, path))
    change_config(other, "\nseed: 0\n", f"\nseed: {seed}\n")
    return other


def change_config(run: Path, old: str, new: str) -> None:
    """Change the configuration of a run, as if it had been made with another one."""
    config = run / "config.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    sign(run)


def sign(run: Path) -> None:
    """Let the files of a run be those of its configuration."""
    digest = run_digest(run / "config.yaml")
    for path in (run / "best.zip", run / "latest.zip"):
        if path.is_file():
            model = MemoryPPO.load(path, device="cpu")
            model.of_run = digest
            model.save(path)
    for path in run.glob("*.json"):
        content = json.loads(path.read_text())
        if content.get("of_run"):
            path.write_text(json.dumps({**content, "of_run": digest}))
