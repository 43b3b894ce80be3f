"""Run folders as train.py and evaluate.py leave them, made up: nothing is trained or played."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from engram.evidence.statistics import wilson_interval

EPISODES = 40


def score(successes: int | None, n: int = EPISODES, mean_return: float | None = None) -> dict[str, Any]:
    """Return a score as in `evaluation.json`; None successes where the env tells none."""
    low, high = wilson_interval(successes or 0, n)
    told = successes is not None
    return {
        "episodes": n,
        "success": (successes or 0) / n if told else None,
        "success_low": low if told else None,
        "success_high": high if told else None,
        "mean_return": 0.9 * (successes or 0) / n if mean_return is None else mean_return,
        "mean_length": 12.5,
        "distinct_layouts": 7,
    }


def fake_run(
    runs: Path,
    memory: str = "episodic",
    controller: str = "lstm",
    seed: int = 0,
    *,
    successes: int | None = 38,
    wiped: int | None = 4,
    test_settings: Mapping[str, int] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    name: str | None = None,
    **env: Any,
) -> Path:
    """Make a run folder with a config and an evaluation.

    Args:
        runs: folder of all runs.
        memory, controller, seed: what was trained.
        successes, wiped: of `EPISODES` episodes, memory intact and wiped.
        test_settings: label of a setting -> successes in it.
        evaluation: what else `evaluation.json` has.
        config: what else the config has.
        name: of the folder that the seeds share.
        env: what else the config has of its env.
    """
    path = runs / (name or f"tmaze-{memory}-{controller}") / f"seed{seed}"
    path.mkdir(parents=True)
    task = {"id": "Engram-TMaze-v0", "split": True, "kwargs": {"delay": [5, 30]}, "chance": 0.5, **env}
    parts = {"env": task, "memory": {"name": memory}, "controller": {"name": controller}, "seed": seed}
    (path / "config.yaml").write_text(yaml.safe_dump({**parts, "total_timesteps": 1000, **(config or {})}))
    content = {
        "success": score(successes)["success"],
        "env": task["id"],
        "chance": task["chance"],
        "memory": memory,
        "controller": controller,
        "checkpoint": "best",
        "episodes": EPISODES,
        "seed": 1_000_000_000,
        "layouts_in_both": 0,
        "command": f"python evaluate.py {path}",
        "intact": score(successes),
        "sampled": {"intact": score(successes), "wiped": score(wiped)},
        "wiped": score(wiped),
        "test_settings": {label: {"intact": score(k), "wiped": score(0)} for label, k in (test_settings or {}).items()},
        **(evaluation or {}),
    }
    (path / "evaluation.json").write_text(json.dumps(content))
    return path


def certificate(verdict: str | None, **successes: int) -> dict[str, Any]:
    """Return the part `certificate` of `evaluation.json`, with an intervention for each keyword."""
    conditions = {
        name: {**score(k), "looked_again": {"episodes": 3, "success": 1.0} if name == "wiped_after_cue" else None}
        for name, k in successes.items()
    }
    return {"verdict": verdict, "sentence": f"The verdict is <{verdict}>.", "conditions": conditions}


def add_metrics(run: Path, success: Callable[[int], float], steps: Sequence[int] = range(100, 1100, 100)) -> None:
    """Write a `metrics.csv` with a row for each number of steps, and a `versions.json`."""
    lines = ["eval/success_rate,rollout/success_rate,time/fps,time/time_elapsed,time/total_timesteps"]
    lines += [f"{success(step) if step % 500 == 0 else ''},{success(step)},7,{step // 7},{step}" for step in steps]
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    versions = {"git_commit": "0123456789abcdef", "git_dirty": False, "command": "python train.py env=tmaze"}
    (run / "versions.json").write_text(json.dumps(versions))


def horizon(success: Mapping[int, int], length: int | None = None, **other: Any) -> dict[str, Any]:
    """Return the content of a `horizon.json`.

    Args:
        success: delay -> successes of `EPISODES` episodes.
        length: the effective length.
        other: what else it has.
    """
    return {
        "by": "delay",
        "trained": [5, 30],
        "chance": 0.5,
        "oracle": 1.0,
        "points": [{"delay": delay, **score(k), "wiped": 0.5} for delay, k in success.items()],
        "effective_length": length,
        "effective_low": None,
        "effective_high": None,
        "command": "python evaluate.py RUN --horizon",
        **other,
    }


def add_horizon(run: Path, success: Mapping[int, int], length: int | None = None) -> None:
    """Write a `horizon.json`."""
    (run / "horizon.json").write_text(json.dumps(horizon(success, length)))
