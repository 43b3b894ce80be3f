"""The envs of a run: what is done to them on the training side only."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_runs import composed

from engram.evidence.runs import open as opening
from engram.evidence.runs.settings import trained_setting


@pytest.mark.parametrize("side", ["train", "validation", "test"])
def test_only_the_training_has_processes_and_random_actions(monkeypatch: pytest.MonkeyPatch, side: Any) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(opening, "make_vec_env", lambda **arguments: asked.update(arguments))
    config = composed("env=room", "env.subprocess=true", "env.random_actions=0.25")
    opening.make_envs(config, trained_setting(config.env), side, 5, 7)
    trains = side == "train"
    assert (asked["subprocess"], asked["split"], asked["n_envs"], asked["seed"]) == (trains, side, 5, 7)
    assert asked["random_actions"] == (0.25 if trains else 0.0)


@pytest.mark.parametrize(("side", "hops"), [("train", [1, 3]), ("validation", 3), ("test", 3)])
def test_what_is_trained_on_a_range_is_held_out_at_its_hard_end(side: Any, hops: Any) -> None:
    config = composed("env=chain", "+env.kwargs.hops=[1,3]")
    assert opening.env_arguments(config, trained_setting(config.env), side)["kwargs"]["hops"] == hops
    assert opening.drawn_in_training(config) == {"hops": (1, 3)}
