"""The film of a run: of which episode it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stable_baselines3.common.vec_env import DummyVecEnv
from taught_agent import DELAY, taught

from engram.envs.tasks.tmaze.env import TMaze
from engram.evidence.explanation.run import film_episode


def test_the_film_is_of_the_first_episode_of_a_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env = DummyVecEnv([lambda: TMaze(delay=(DELAY, DELAY))])
    monkeypatch.setattr("engram.evidence.explanation.run.open_envs", lambda config, settings, n_envs, model: [env])
    monkeypatch.setattr("engram.evidence.explanation.run.trained_setting", lambda config: None)
    folder: Any = SimpleNamespace(film=tmp_path / "film.gif")
    config: Any = SimpleNamespace(env=None)
    scenes: dict[int, set[bytes]] = {}
    for seed in range(9):
        film_episode(folder, config, taught(), seed=seed)
        with Image.open(folder.film) as film:
            assert film.n_frames == DELAY + 1
            scene = np.array(film.convert("RGB"))[:, :240].tobytes()
        env.seed(seed)
        env.reset()
        scenes.setdefault(env.envs[0].unwrapped.episode().answer, set()).add(scene)
    (one,), (other,) = scenes.values()  # each answer has one picture of its cue
    assert one != other
