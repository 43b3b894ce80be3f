"""How far a stale state moves what the heads see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.callbacks import BaseCallback

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))
from staggered import agent

from engram.tracking.callbacks import StateDrift


class Kept(BaseCallback):
    """Keeps what was recorded before each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []

    def _on_rollout_start(self) -> None:
        self.found.append(dict(self.logger.name_to_value))

    def _on_step(self) -> bool:
        return True


def drifts(memory: str, learning_rate: float, **kwargs: Any) -> list[dict[str, Any]]:
    model, kept = agent(memory=memory, learning_rate=learning_rate, **kwargs), Kept()
    model.learn(3 * model.n_steps * model.n_envs, callback=[StateDrift(), kept])
    return kept.found


def test_events_do_not_go_stale_and_matrices_do() -> None:
    _, *events = drifts("episodic", 0.01)
    assert [found["memory/drift"] for found in events] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert all(found["memory/controller_drift"] > 1e-4 for found in events)
    _, *matrix = drifts("fast_weight", 0.01)
    assert all(found["memory/drift"] > 1e-4 for found in matrix)


def test_weights_that_do_not_move_make_no_drift() -> None:
    for found in drifts("ntm", 0.0)[1:]:
        assert found["memory/drift"] < 1e-6
        assert found["memory/controller_drift"] < 1e-6


def test_nothing_is_said_before_the_first_rollout_or_of_a_memory_that_is_not_there() -> None:
    first, *later = drifts("none", 0.01)
    assert "memory/controller_drift" not in first
    assert all("memory/drift" not in found for found in later)
    assert all("memory/controller_drift" in found for found in later)
