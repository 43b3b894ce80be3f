import itertools

import gymnasium as gym
import numpy as np
import pytest

from engram.envs.wrappers.actions import ActionSubset, RandomActions


def test_useful_actions_are_numbered_as_given():
    env = ActionSubset(gym.make("MiniGrid-Empty-8x8-v0"), ("forward", "right"))
    env.reset(seed=0)
    assert env.action_space.n == 2
    env.step(0)
    assert tuple(env.unwrapped.agent_pos) == (2, 1)
    env.step(1)
    assert env.unwrapped.agent_dir == 1


@pytest.mark.parametrize("actions", [(), ("left", "left"), ("jump",)])
def test_useless_actions_are_refused(actions):
    with pytest.raises(ValueError, match=r"useful_actions=.*left, right, forward, pickup"):
        ActionSubset(gym.make("MiniGrid-Empty-8x8-v0"), actions)


class Recorder(gym.Env):
    """Keeps the actions of the episode; there are so many that two random ones differ."""

    observation_space = gym.spaces.Box(0, 1, (1,))
    action_space = gym.spaces.Discrete(100_003)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.actions = []
        return self.observation_space.sample(), {}

    def step(self, action):
        self.actions.append(int(action))
        return self.observation_space.sample(), 0.0, False, False, {}


def taken(probability, seed, steps=20_000):
    env = RandomActions(Recorder(), probability)
    env.reset(seed=seed)
    for _ in range(steps):
        env.step(0)
    return env.unwrapped.actions


def test_random_actions_begin_as_often_as_said_and_are_held_for_zeta_distributed_times():
    spells = [(action, len(list(steps))) for action, steps in itertools.groupby(taken(0.05, seed=2))]
    own = sum(length for action, length in spells if action == 0)
    lengths = np.array([length for action, length in spells if action != 0])
    assert len(lengths) / (own + len(lengths)) == pytest.approx(0.05, abs=0.006)
    for length in (1, 2, 3):
        assert (lengths == length).mean() == pytest.approx(6 / np.pi**2 / length**2, abs=0.05)
    assert lengths.max() > 20
    assert set(taken(0.0, seed=2, steps=500)) == {0}


def test_random_actions_come_from_the_episodes_own_chance_and_end_with_it():
    assert taken(0.3, seed=5, steps=99) == taken(0.3, seed=5, steps=99) != taken(0.3, seed=7, steps=99)
    env = RandomActions(Recorder(), 1.0)
    firsts = set()
    for _ in range(200):
        env.reset()
        env.step(0)
        firsts.add(env.unwrapped.actions[0])
    assert len(firsts) > 190


def test_random_actions_are_actions_wherever_these_start(monkeypatch):
    monkeypatch.setattr(Recorder, "action_space", gym.spaces.Discrete(3, start=5))
    env = RandomActions(Recorder(), 0.5)
    env.reset(seed=3)
    for _ in range(200):
        env.step(6)
    assert set(env.unwrapped.actions) == {5, 6, 7}
