"""What replaces the observations of events, and which other events are drawn for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.envs.tasks.tmaze.env import TMaze
from engram.evidence.explanation.edits import DRAWS, random_others, replacements

SIZE = 4  # of what a T-Maze shows


def policy() -> Any:
    return MemoryPPO("MemoryPolicy", DummyVecEnv([lambda: TMaze(delay=(3, 3))]), seed=0, device="cpu").policy


def episode(digits: str, cues: str, other: dict[int, int] | None = None) -> Recording:
    """An episode whose observations are digits; a step shows a cue (1) or none (0), or it is unknown (?)."""
    steps = []
    for time, (digit, cue) in enumerate(zip(digits, cues, strict=True)):
        seen = np.full(SIZE, int(digit), np.float32)
        other_cue = None if other is None or time not in other else np.full(SIZE, other[time], np.float32)
        steps.append(
            RecordedStep(
                torch.as_tensor(seen[None]),
                seen,
                None,
                torch.zeros(1, dtype=torch.int64),
                None,
                0.0,
                0.0,
                None if cue == "?" else cue == "1",
                other_cue,
                torch.zeros(1),
                None,
                None,
            )
        )
    return Recording(None, steps, None, "", True)  # no state is looked at


def chosen(recording: Recording, **donors: Recording) -> list[tuple[int, str] | None]:
    """The digit that replaces that of each step, and its source."""
    found = replacements(policy(), recording, donors)
    for one in found:
        if one is not None:
            assert one.observation.shape == (1, SIZE)
            assert np.array_equal(one.observation[0], one.raw_observation)
    return [None if one is None else (int(one.raw_observation[0]), one.source) for one in found]


def test_the_nearest_that_looks_different_and_shows_a_cue_if_this_does() -> None:
    found = chosen(episode("3444", "1000"), a=episode("34456", "10011"), b=episode("74", "10"))
    assert found == [(7, "b, step 0"), None, None, None]
    found = chosen(episode("1111", "0000"), a=episode("2131", "0000"))
    assert found == [(2, "a, step 0"), (2, "a, step 0"), (3, "a, step 2"), (3, "a, step 2")]


def test_the_other_cue_goes_before_what_others_showed() -> None:
    donors = {"a": episode("75", "10")}
    assert chosen(episode("34", "10", {0: 9}), **donors) == [(9, "the other cue"), (5, "a, step 1")]
    # Where it would look the same, the task does not know this cue.
    assert chosen(episode("34", "10", {0: 3}), **donors) == [(7, "a, step 0"), (5, "a, step 1")]


def test_without_others_there_is_only_the_other_cue() -> None:
    assert chosen(episode("34", "10", {0: 9})) == [(9, "the other cue"), None]


def test_a_task_that_does_not_report_a_cue_has_replacements_too() -> None:
    assert chosen(episode("12", "??"), a=episode("13", "??")) == [(3, "a, step 1"), (3, "a, step 1")]
    assert chosen(episode("12", "??"), a=episode("34", "10")) == [None, None]


@pytest.mark.parametrize("chosen_steps", [[4], [2, 4, 7], [0, 1, 8, 13]])
def test_others_are_as_many_and_none_of_those_chosen(chosen_steps: list[int]) -> None:
    among = [0, 1, 2, 4, 5, 7, 8, 10, 13]
    drawn = random_others(chosen_steps, among, np.random.default_rng(0))
    left = sorted(set(among) - set(chosen_steps))
    assert len(drawn) == DRAWS
    for draw in drawn:
        assert draw == sorted(set(draw) & set(left))
        assert len(draw) == len(chosen_steps)
    assert {step for draw in drawn for step in draw} <= set(left)
    assert len({tuple(draw) for draw in drawn}) > 2
    assert drawn == random_others(chosen_steps, among, np.random.default_rng(0))


def test_where_there_are_too_few_others_all_are_taken_once() -> None:
    assert random_others([1, 2, 5], [1, 2, 3, 4, 5], np.random.default_rng(0)) == [[3, 4]]
    assert random_others([1, 2], [1, 2, 3, 4], np.random.default_rng(0)) == [[3, 4]]
    assert random_others([1, 2], [1, 2], np.random.default_rng(0)) == []
