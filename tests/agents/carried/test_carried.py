"""A training that is resumed goes on bit for bit as one that was never stopped."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from gymnasium import spaces
from small import STEPS_OF_A_ROLLOUT, controller_sizes, monitored, small, weights
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger

from engram.agents.carried import CARRIED, carried, register_carried, resume
from engram.agents.exploration.registry import BONUSES
from engram.memory import CONTROLLERS, MEMORIES
from engram.storage import read_archive, write_archive

ROLLOUTS, STOPPED = 5, 3
SIZES = {"episodic": {"slots": 4, "heads": 2}}


class Rows(KVWriter):
    """Keeps what is logged, but for times."""

    def __init__(self):
        self.rows = []

    def write(self, key_values, key_excluded, step=0):
        self.rows.append({key: value for key, value in key_values.items() if not key.startswith("time/")})

    def close(self):
        pass


class Taken(BaseCallback):
    """Takes what a training carries at the beginning of a rollout, and a copy of its envs."""

    def _init_callback(self):
        self.rollouts = 0

    def _on_rollout_start(self):
        if self.rollouts == STOPPED:
            self.state, self.env = carried(self.model), copy.deepcopy(self.training_env)
        self.rollouts += 1

    def _on_step(self):
        return True


def model_of(memory="episodic", controller="lstm", bonus="sights", seed=3):
    place = spaces.Discrete(3)
    place.tells_place = True
    space = spaces.Dict({"place": place, "seen": spaces.Discrete(2)})
    model = small(
        monitored(observation_space=space),
        memory=memory,
        controller=controller,
        controller_kwargs=controller_sizes(controller),
        memory_kwargs=SIZES.get(memory, {}),
        bonus=bonus,
        novelty_coef=0.3,
        ent_coef=lambda progress: 0.02 * progress,
        stats_window_size=7,
        seed=seed,
    )
    rows = Rows()
    model.set_logger(Logger(None, [rows]))
    return model, rows


@pytest.fixture(scope="module")
def once():
    """What one training carried."""
    return uninterrupted()[2].state


def uninterrupted(**made_of):
    model, rows = model_of(**made_of)
    taken = Taken()
    model.learn(ROLLOUTS * STEPS_OF_A_ROLLOUT, callback=taken)
    return model, rows, taken


def resumed(taken, tmp_path=None, without=None, **made_of):
    """Another agent, which has learned something else, goes on with what was taken."""
    state = taken.state
    if tmp_path is not None:
        with (tmp_path / "state").open("wb") as file:
            write_archive(file, "state", state)
        state = read_archive(tmp_path / "state", "state")
    model, _ = model_of(seed=17, **made_of)
    model.learn(STEPS_OF_A_ROLLOUT)
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    rows = Rows()
    model.set_logger(Logger(None, [rows]))
    model.set_env(copy.deepcopy(taken.env), force_reset=False)
    if without is None:
        resume(model, state)
    else:
        for name in CARRIED.keys() - {without}:
            CARRIED[name].put(model, copy.deepcopy(state[name]))
    left = ROLLOUTS * STEPS_OF_A_ROLLOUT - model.num_timesteps
    model.learn(left, reset_num_timesteps=False)
    return model, rows


def assert_same(one, other):
    (model, rows), (again, rows_again) = one, other
    assert again.num_timesteps == model.num_timesteps
    assert torch.equal(weights(model), weights(again))
    assert rows.rows[STOPPED:] == rows_again.rows


@pytest.mark.parametrize("memory", MEMORIES)
def test_with_every_memory(memory, tmp_path):
    model, rows, taken = uninterrupted(memory=memory)
    assert_same((model, rows), resumed(taken, tmp_path, memory=memory))


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_with_every_controller(controller, tmp_path):
    model, rows, taken = uninterrupted(controller=controller)
    assert_same((model, rows), resumed(taken, tmp_path, controller=controller))


@pytest.mark.parametrize("bonus", BONUSES)
def test_with_every_bonus(bonus, tmp_path):
    model, rows, taken = uninterrupted(bonus=bonus)
    assert_same((model, rows), resumed(taken, tmp_path, bonus=bonus))


@pytest.mark.parametrize("part", CARRIED)
def test_every_part_is_needed(part):
    model, rows, taken = uninterrupted(bonus="noveld")
    again, rows_again = resumed(taken, without=part, bonus="noveld")
    same = torch.equal(weights(model), weights(again)) and rows.rows[STOPPED:] == rows_again.rows
    assert not same, f"nothing changes without {part}"


@pytest.mark.parametrize("bonus", [bonus for bonus in BONUSES if bonus != "rnd"])  # which is not episodic
def test_what_episodes_have_shown_is_needed(bonus):
    model, _, taken = uninterrupted(bonus=bonus)
    taken.state["shown"] = None
    assert not torch.equal(weights(model), weights(resumed(taken, bonus=bonus)[0]))


def test_what_is_taken_does_not_change_as_the_training_goes_on():
    model, _, taken = uninterrupted(bonus="rnd")
    before = copy.deepcopy(taken.state)
    model.learn(STEPS_OF_A_ROLLOUT, reset_num_timesteps=False)
    assert str(before) == str(taken.state)


def test_parts_of_other_names_are_refused():
    model, _ = model_of()
    with pytest.raises(ValueError, match="other parts than this training: weather"):
        resume(model, {**carried(model), "weather": 1})
    with pytest.raises(ValueError, match="other parts than this training: weights"):
        resume(model, {name: part for name, part in carried(model).items() if name != "weights"})


@pytest.mark.parametrize("part", CARRIED)
@pytest.mark.parametrize("wrong", ["text", -3, float("nan"), [], {}, [[1]], {"a": 1}, None])
def test_a_damaged_part_is_refused_in_a_line_or_is_another_training(once, part, wrong):
    state = {**copy.deepcopy(once), part: wrong}
    model, _ = model_of(seed=17)
    if (part, wrong) in [("rollout", None), ("shown", None), ("log", {})]:
        resume(model, state)  # of a training that has not begun, or has nothing to log
        return
    with pytest.raises(ValueError, match=rf"^{part}: [^\n]+$"):
        resume(model, state)


def test_weights_that_are_not_finite_are_refused(once):
    state = copy.deepcopy(once)
    name = next(iter(state["weights"]))
    state["weights"][name].view(-1)[0] = float("nan")
    with pytest.raises(ValueError, match=f"weights: {name} has values that are not finite"):
        resume(model_of()[0], state)


def test_an_agent_of_another_kind_is_refused(once):
    with pytest.raises(ValueError, match="weights: the weights have other names"):
        resume(model_of(memory="dnc")[0], once)


def test_a_part_of_ones_own_is_carried_too(monkeypatch):
    monkeypatch.setattr("engram.agents.carried.registry.CARRIED", dict(CARRIED))
    register_carried("mine", lambda model: model.mine, lambda model, state: setattr(model, "mine", state))
    model, _ = model_of()
    model.mine = 7
    other, _ = model_of()
    resume(other, carried(model))
    assert other.mine == 7
    with pytest.raises(ValueError, match="registered already"):
        register_carried("mine", lambda model: None, lambda model, state: None)
