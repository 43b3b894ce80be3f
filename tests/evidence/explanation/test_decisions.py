"""Which steps are decisions, and which effects are listed for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from taught_agent import DELAY, maze, taught

from engram.agents.evaluation.counterfactual import CounterfactualEffects
from engram.agents.evaluation.recording import RecordedStep, Recording, record
from engram.envs.tasks.tmaze.env import UP
from engram.evidence.explanation.decisions import Decisions, _distinct_before, find_decisions


def episode(length: int) -> Recording:
    """An episode whose every step is stored and takes action 2."""
    observation, action = torch.zeros(1, 1), torch.tensor([2])
    step = RecordedStep(observation, np.zeros(1), None, action, None, 0.0, 0.0, None, None, torch.zeros(1), None, None)
    return Recording(None, [step] * length, None, "", True)  # no state is looked at


def find(monkeypatch: pytest.MonkeyPatch, change: NDArray[np.float64]) -> Decisions:
    """The decisions if deleting the events of set g changes the likelihood of step t, 0.5, by `change[g, t]`."""
    sets, length = change.shape

    def replay(policy: Any, recording: Recording, edits: Any, on_progress: Any) -> CounterfactualEffects:
        changes = change[: len(edits)] if len(edits) == sets else np.zeros((len(edits), length))
        zeros = np.zeros_like(changes)
        return CounterfactualEffects(np.full(length, 0.5), np.zeros(length), 0.5 + changes, zeros, zeros + 2)

    monkeypatch.setattr("engram.evidence.explanation.counterfactuals.replay_with_edits", replay)
    return find_decisions(None, episode(length), [([g], f"set {g}") for g in range(sets)], [None] * length)


def test_a_step_is_a_decision_from_the_least_change_on(monkeypatch: pytest.MonkeyPatch) -> None:
    change = np.zeros((2, 9))
    change[0, [3, 4, 5, 6]] = 0.051, -0.051, 0.049, -0.049
    change[1, [1, 2, 6, 7]] = 0.049, -0.3, 0.04, 0.06
    found = find(monkeypatch, change)
    assert [decision["step"] for decision in found.listed] == [2, 3, 4, 7, 8]  # the last step always
    assert found.left_out == []
    assert [decision["likelihood"] for decision in found.listed] == [0.5] * 5
    assert [decision["action"] for decision in found.listed] == [2] * 5
    assert found.listed[0]["effects"][0]["deleted"]["likelihood_change"] == -0.3


def test_of_a_long_episode_the_forty_strongest_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    change = np.zeros((1, 2003))
    strong = np.arange(30, 90)
    change[0, strong] = 0.1 + 0.001 * np.random.default_rng(0).permutation(60)
    found = find(monkeypatch, change)
    listed = [decision["step"] for decision in found.listed]
    assert listed == sorted([*strong[np.argsort(-change[0, strong])][:39].tolist(), 2002])
    assert found.left_out == sorted({*strong.tolist()} - {*listed})


def test_of_a_short_episode_every_decision_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find(monkeypatch, np.full((1, 199), 0.2))
    assert ([decision["step"] for decision in found.listed], found.left_out) == ([*range(199)], [])


def test_the_twenty_strongest_effects_are_listed_with_the_number_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = 0.05 + 0.01 * np.random.default_rng(0).permutation(23)
    change = np.zeros((23, 29))
    change[:, 28] = sizes * np.where(np.arange(23) % 2, 1, -1)
    (last,) = find(monkeypatch, change).listed
    assert last["tried"] == 23
    assert [effect["label"] for effect in last["effects"]] == [f"set {g}" for g in np.argsort(-sizes)[:20]]


def test_without_sets_there_are_no_decisions() -> None:
    assert find_decisions(None, episode(3), [], [None] * 3) == Decisions([], [])


def test_sets_with_the_same_events_before_a_step_are_listed_once() -> None:
    policy, recording = taught().policy, record(taught().policy, maze(UP), 99)
    sets = [([0], "cue"), ([2, 4], "alike"), ([2], "one"), ([4, 5], "later"), ([4], "")]
    found = find_decisions(policy, recording, sets, [None] * len(recording.steps))
    (last,) = (decision for decision in found.listed if decision["step"] == DELAY)
    assert sorted(effect["steps"] for effect in last["effects"]) == [[0], [2], [2, 4], [4], [4, 5]]
    assert last["tried"] == 5
    assert _distinct_before([[0, 3], [2, 4], [2], [4, 5], [4]], 4) == [0, 2]
    assert _distinct_before([[0, 1], [0, 2], [3]], 1) == [0]
    assert _distinct_before([[0, 1], [0, 2], [3]], 5) == [0, 1, 2]
