"""Environments of a user's own or of other suites, named by id and module, run and train as they are."""

import json
import sys

import gymnasium as gym
import pytest
from tiny_runs import TINY, composed

from engram.cli.train import train
from engram.envs import make_env, make_vec_env
from engram.envs.wrappers.flat_observation import FlatObservation

OWN = """
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Cards(gym.Env):
    suits = spaces.Dict({"suit": spaces.MultiDiscrete([[2, 2], [3, 3]])})
    hand = spaces.Tuple((spaces.Discrete(5, start=1), suits))
    observation_space = spaces.Dict({"hand": hand, "clock": spaces.Box(0.0, 1.0, ())})
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return self.observation_space.sample(), float(action), self.steps == 10, False, {}


gym.register("MyOwnCards-v0", entry_point=Cards)
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "my_own_cards.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_own_cards"
    sys.modules.pop("my_own_cards", None)
    gym.registry.pop("MyOwnCards-v0", None)


def test_nested_observations_of_a_users_module_become_flat(own_module):
    vec_env = make_vec_env("MyOwnCards-v0", n_envs=3, module=own_module, previous_reward=True)
    shapes = {key: value.shape for key, value in vec_env.reset().items()}
    assert shapes == {"hand/0": (3,), "hand/1/suit": (3, 4), "clock": (3, 1), "previous_reward": (3, 1)}


def test_a_users_module_with_nested_observations_is_trained_and_evaluated(own_module, tmp_path):
    others = [word for word in TINY if not word.startswith("env")]
    own = ["env=gym", "env.id=MyOwnCards-v0", f"env.module={own_module}", "env.n_envs=6"]
    train(composed(*others, *own, f"runs_dir={tmp_path / 'runs'}"), "cards")
    (folder,) = (tmp_path / "runs" / "cards").iterdir()
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["success"] is None
    assert 0 <= found["intact"]["mean_return"] <= 10, "the returns reported are the env's own"


@pytest.mark.parametrize(
    ("env_id", "flat"), [("Blackjack-v1", True), ("CartPole-v1", False), ("MountainCar-v0", False)]
)
def test_only_what_needs_it_is_wrapped(env_id, flat):
    env = make_env(env_id)
    wrappers = []
    while env is not env.unwrapped:
        wrappers.append(type(env))
        env = env.env
    assert (FlatObservation in wrappers) == flat


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"env_id": "popgym-AutoencodeEasy-v0", "module": "popgym"},
            r"it comes with an extra: pip install -e '.\[popgym\]'",
        ),
        (
            {"env_id": "CartPole-v1", "module": "no_such_module"},
            "'no_such_module' cannot be imported: No module named 'no_such_module', neither in .* nor installed$",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(arguments, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "popgym", None)  # as if it were not installed
    with pytest.raises(ValueError, match=message) as error:
        make_env(**arguments)
    assert "\n" not in str(error.value)
