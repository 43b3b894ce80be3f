"""A run in a script: the agent, and its env with all wrappers as in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import change_config, copy_of_run, tiny_run

import engram
from engram.configs import CannotRun
from engram.envs.split.by_layout import Side
from engram.evidence.runs.open import TEST_SEED, load_run, make_envs, open_run
from engram.evidence.runs.settings import trained_setting


def test_it_is_exported() -> None:
    assert engram.load_run is load_run


def test_the_agent_and_the_env_are_those_of_the_run() -> None:
    run = load_run(tiny_run(), device="cpu")
    _, config, model, _ = open_run(tiny_run(), None, "cpu")
    assert run.config == config
    pairs = zip(run.model.policy.parameters(), model.policy.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert run.env.num_envs == config.eval.n_envs
    expected = make_envs(config, trained_setting(config.env), "test", config.eval.n_envs, TEST_SEED)
    expected.reset()
    state, starts = None, np.ones(run.env.num_envs, dtype=bool)
    observations, same = run.env.reset(), expected.reset()
    for _ in range(25):
        assert np.array_equal(observations, same)
        actions, state = run.model.predict(observations, state, starts)
        observations, _, starts, infos = run.env.step(actions)
        same = expected.step(actions)[0]
        assert all("episode" in info for info, ended in zip(infos, starts, strict=True) if ended)


def test_the_side_decides_about_mazes_and_actions(tmp_path: Path) -> None:
    folder = copy_of_run(tmp_path / "run")
    change_config(folder, "random_actions: 0.0", "random_actions: 0.1")

    def wrappers(side: Side) -> tuple[str, int, set[str]]:
        env = load_run(folder, side, device="cpu").env
        names = {name for name in ("RandomActions",) if name in str(env.envs)}
        (split,) = set(env.get_attr("side"))
        return split, env.num_envs, names

    assert wrappers("train") == ("train", 6, {"RandomActions"})
    assert wrappers("validation") == ("validation", 3, set())
    assert wrappers("test") == ("test", 3, set())
    assert load_run(folder, n_envs=2, device="cpu").env.num_envs == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"run": "nowhere"}, "nowhere"),
        ({"side": "tset"}, r"^side='tset': must be one of train, validation, test$"),
        ({"device": "nonsense"}, "^device=nonsense: torch cannot use it"),
        ({"checkpoint": "worst"}, "there is no worst.zip"),
        ({"n_envs": 0}, "n_envs=0 must be at least 1"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(CannotRun, match=line) as caught:
        load_run(**{"run": tiny_run(), **arguments})
    assert "\n" not in str(caught.value)


def test_an_env_that_does_not_fit_the_agent_is_one_line(tmp_path: Path) -> None:
    folder = copy_of_run(tmp_path / "run")
    change_config(folder, "previous_reward: false", "previous_reward: true")
    with pytest.raises(CannotRun, match=r"the agent was trained with Box.*, and this env has") as caught:
        load_run(folder)
    assert "\n" not in str(caught.value)
