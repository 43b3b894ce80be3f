"""Snapshots are of a rollout's boundary, come by the clock, and the latest are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from engram.agents import MemoryPPO
from engram.envs import make_vec_env
from engram.storage import Plain, read_archive
from engram.tracking import RunFolder
from engram.tracking.callbacks import Snapshots

STEPS = 3 * 10  # of a rollout


class Clock:
    """Each time that it is asked, a second has gone by."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


class Until(BaseCallback):
    """Ends the training after so many steps."""

    def __init__(self, steps: int, error: Exception | None = None) -> None:
        super().__init__()
        self.steps, self.error = steps, error

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.steps and self.error is not None:
            raise self.error
        return self.num_timesteps < self.steps


class Counting:
    """Stands in for a callback that carries something."""

    def __init__(self) -> None:
        self.asked = 0
        self.given: Any = None

    def get_state(self) -> Plain:
        self.asked += 1
        return self.asked

    def set_state(self, state: Any) -> None:
        self.given = state


def model_of() -> MemoryPPO:
    env = make_vec_env("Engram-TMaze-v0", n_envs=3, seed=5)
    return MemoryPPO("MemoryPolicy", env, n_steps=10, batch_size=10, memory="none", seed=7)


def snapshots_of(folder: Path, **kwargs: Any) -> tuple[Snapshots, Counting]:
    counting = Counting()
    given = {"every": 1e9, "keep": 2, "clock": Clock(), **kwargs}
    return Snapshots(RunFolder(folder), lambda: {"place": 3}, {"counting": counting}, **given), counting


def steps_of(folder: Path) -> list[int]:
    return [int(path.stem) for path in RunFolder(folder).snapshots]


def read(folder: Path) -> Any:
    return read_archive(RunFolder(folder).snapshots[0], "snapshot")


def test_a_training_that_ends_leaves_where_it_stands(tmp_path: Path) -> None:
    model, (snapshots, _) = model_of(), snapshots_of(tmp_path)
    model.learn(2 * STEPS, callback=snapshots)
    found = read(tmp_path)
    assert found["timesteps"] == found["state"]["agent"]["counters"]["num_timesteps"] == 2 * STEPS
    assert found["state"]["envs"] == {"place": 3}
    for name, weights in model.policy.state_dict().items():
        assert torch.equal(found["state"]["agent"]["weights"][name], weights)


@pytest.mark.parametrize("error", [None, RuntimeError("an env broke")])
def test_what_ends_in_the_middle_of_a_rollout_leaves_its_beginning(tmp_path: Path, error: Exception | None) -> None:
    model, (snapshots, _) = model_of(), snapshots_of(tmp_path, clock=lambda: 0.0)
    try:
        model.learn(9 * STEPS, callback=[Until(2 * STEPS + 6, error), snapshots])
    except RuntimeError:
        snapshots.save()
    assert steps_of(tmp_path) == [2 * STEPS]
    assert read(tmp_path)["state"]["agent"]["counters"]["num_timesteps"] == 2 * STEPS


def test_files_come_by_the_clock_and_the_latest_are_kept(tmp_path: Path) -> None:
    model, (snapshots, _) = model_of(), snapshots_of(tmp_path, every=7.0, keep=3)
    written = []
    save = RunFolder.save_snapshot

    def noting(folder: RunFolder, timesteps: int, state: Plain, *, keep: int) -> None:
        written.append(timesteps)
        save(folder, timesteps, state, keep=keep)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "save_snapshot", noting)
        model.learn(12 * STEPS, callback=snapshots)
    assert len(written) > 4
    assert steps_of(tmp_path) == written[:-4:-1]


def test_the_first_comes_within_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    model, (snapshots, _) = model_of(), snapshots_of(tmp_path, every=600.0, clock=clock)

    class Looking(BaseCallback):
        def _on_step(self) -> bool:
            clock.seconds += 3.0
            return clock.seconds < 60.0 + 40.0 or not steps_of(tmp_path)

    model.learn(99 * STEPS, callback=[Looking(), snapshots])
    assert clock.seconds < 150.0
    assert steps_of(tmp_path)


def test_noting_takes_a_hundredth_of_the_time(tmp_path: Path) -> None:
    clock = Clock()
    model, (snapshots, counting) = model_of(), snapshots_of(tmp_path, clock=clock)
    model.learn(60 * STEPS, callback=snapshots)
    assert counting.asked <= 2 + clock.seconds / 100  # a second each, and the first and the last in any case
    assert clock.seconds < 61 * 4


def test_callbacks_go_on_from_their_states_when_the_training_begins(tmp_path: Path) -> None:
    model, (snapshots, counting) = model_of(), snapshots_of(tmp_path, states={"counting": 41})
    model.learn(STEPS, callback=snapshots)
    assert counting.given == 41
