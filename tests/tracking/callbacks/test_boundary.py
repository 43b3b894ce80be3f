"""What ends in the middle of a rollout or an update is the agent with which the rollout began, whatever it has done."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from engram.agents import MemoryPPO
from engram.agents.carried import CARRIED
from engram.envs import make_vec_env
from engram.tracking.callbacks import Boundary

STEPS = 3 * 10  # of a rollout
SAVED = ("counters", "weights", "optimizer", "return_scale", "bonus", "episodes")
BONUSES = ("sights", "noveld")


class Ending(BaseException):
    """Whatever ends a training in an instant."""


class Watching(BaseCallback):
    """Notes the agent where each rollout begins, and ends the training after so many steps."""

    def __init__(self, steps: int, error: BaseException | None = None) -> None:
        super().__init__()
        self.steps, self.error = steps, error
        self.begun: list[Any] = []

    def _on_rollout_start(self) -> None:
        self.begun.append(agent(self.model))

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.steps and self.error is not None:
            raise self.error
        return self.num_timesteps < self.steps


def agent(model: Any) -> dict[str, Any]:
    """Return what is saved of an agent: after a file, so that nothing that it does later changes it."""
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = MemoryPPO.load(file, device="cpu")
    return {name: CARRIED[name].take(loaded) for name in SAVED}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def model_of(bonus: str) -> MemoryPPO:
    env = make_vec_env("Engram-TMaze-v0", n_envs=3, seed=5, kwargs={"delay": (2, 3)})
    return MemoryPPO("MemoryPolicy", env, n_steps=10, batch_size=10, memory="none", seed=7, bonus=bonus)


@pytest.mark.parametrize("bonus", BONUSES)
def test_a_rollout_that_is_stopped_has_not_been(bonus: str) -> None:
    model, watching = model_of(bonus), Watching(2 * STEPS + 6)
    model.learn(9 * STEPS, callback=[watching, Boundary()])
    assert model.num_timesteps == 2 * STEPS
    assert len(watching.begun) == 3
    assert same(agent(model), watching.begun[-1])


@pytest.mark.parametrize("bonus", BONUSES)
def test_nor_has_one_in_which_a_step_fails(bonus: str) -> None:
    model, watching, boundary = model_of(bonus), Watching(2 * STEPS + 6, Ending()), Boundary()
    with pytest.raises(Ending):
        model.learn(9 * STEPS, callback=[watching, boundary])
    assert model.num_timesteps == 2 * STEPS + 6
    boundary.go_back()
    assert same(agent(model), watching.begun[-1])


@pytest.mark.parametrize("bonus", BONUSES)
def test_nor_has_one_whose_update_is_broken_off(bonus: str) -> None:
    model, watching, boundary = model_of(bonus), Watching(9 * STEPS), Boundary()
    steps: list[int] = []

    def on_step(*_: Any) -> None:
        steps.append(1)
        if len(steps) == 15:  # of the second update: there are 4 passes of 3 minibatches
            raise Ending

    model.policy.optimizer.register_step_post_hook(on_step)
    with pytest.raises(Ending):
        model.learn(9 * STEPS, callback=[watching, boundary])
    assert len(watching.begun) == 2
    assert not same(agent(model)["weights"], watching.begun[-1]["weights"])
    boundary.go_back()
    assert same(agent(model), watching.begun[-1])


def test_a_training_that_ends_by_itself_stays_where_it_is() -> None:
    model, boundary = model_of("sights"), Boundary()
    model.learn(2 * STEPS, callback=boundary)
    before = agent(model)
    boundary.go_back()
    assert model.num_timesteps == 2 * STEPS
    assert same(agent(model), before)
