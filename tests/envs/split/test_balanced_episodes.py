"""Dealing out layouts: each as often as any other."""

from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import make_env, make_vec_env
from engram.envs.split.balanced_episodes import balanced_seeds, queue_seeds
from engram.envs.split.by_layout import SplitByLayout, side_of


class Numbered(gym.Env):
    """Its layout is a number, drawn with the probabilities given; its variant is drawn with it."""

    observation_space = action_space = gym.spaces.Discrete(2)

    def __init__(self, probabilities):
        self.probabilities = probabilities

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number = int(self.np_random.choice(len(self.probabilities), p=self.probabilities))
        self.variant = int(self.np_random.integers(2))
        return 0, {"variant": self.variant}

    def step(self, action):
        return 0, 0.0, True, False, {}

    def layout_key(self):
        return str(self.number)


def numbered(probabilities, n_envs=3):
    return DummyVecEnv([lambda: SplitByLayout(Numbered(probabilities), None)] * n_envs)


def played(vec_env, episodes):
    """Infos of the episodes that begin, `episodes` in every environment."""
    infos = []
    for _ in range(episodes):
        vec_env.reset()
        infos += vec_env.reset_infos
    return infos


def counts(infos):
    return Counter(info["layout"] for info in infos)


@pytest.mark.parametrize("at_once", [1, 64])
@pytest.mark.parametrize("layouts", [1, 2, 7, 20, 50])
@pytest.mark.parametrize("episodes", [3, 21, 60])
def test_two_layouts_differ_by_one_episode_at_most(monkeypatch, episodes, layouts, at_once):
    monkeypatch.setattr("engram.envs.split.balanced_episodes._BATCH", at_once)
    for seed in range(5):
        probabilities = np.random.default_rng(seed).uniform(1, 3, layouts)
        env = numbered(probabilities / probabilities.sum())
        chosen = balanced_seeds(env, episodes, seed)
        assert [len(seeds) for seeds in chosen] == [episodes // 3] * 3
        queue_seeds(env, chosen)
        found = counts(played(env, episodes // 3))
        assert found.total() == episodes
        assert len(found) == min(layouts, episodes)
        assert max(found.values()) - min(found.values()) <= 1


def test_without_dealing_they_differ_by_more():
    env = numbered([0.7, 0.2, 0.1])
    env.seed(0)
    found = counts(played(env, 20))
    assert max(found.values()) - min(found.values()) > 10


@pytest.mark.parametrize(
    ("env_id", "kwargs"), [("MiniGrid-MemoryS13-v0", {}), ("Engram-TMaze-v0", {"delay": (15, 60)})]
)
def test_the_layouts_are_those_of_the_side(env_id, kwargs):
    env = make_vec_env(env_id, n_envs=4, split="test", seed=0, kwargs=kwargs)
    queue_seeds(env, balanced_seeds(env, 30, 1))
    found = counts(played(env, 8))
    assert {side_of(key) for key in found} == {"test"}
    every = counts(played(make_vec_env(env_id, n_envs=4, split="test", seed=1, kwargs=kwargs), 60))
    assert set(found) == set(every)
    assert max(found.values()) - min(found.values()) <= 1


def test_where_there_are_very_many_every_episode_is_a_new_one(monkeypatch):
    env = make_vec_env("Engram-MatchS9-v0", n_envs=5, split="test", seed=0)
    looked_at = []
    layouts_of = SplitByLayout.layouts_of
    monkeypatch.setattr(
        SplitByLayout, "layouts_of", lambda self, seeds: looked_at.extend(seeds) or layouts_of(self, seeds)
    )
    chosen = balanced_seeds(env, 40, 1)
    assert len(looked_at) < 20 * 40  # of which one in seven is on the side; nothing is looked for beyond
    queue_seeds(env, chosen)
    assert set(counts(played(env, 8)).values()) == {1}


class Once(Numbered):
    """A layout that is met at the first reset, and never again."""

    met = False

    def layout_key(self):
        first, self.met = not self.met, True
        return "rare" if first else super().layout_key()


def test_a_layout_that_is_not_met_again_does_not_hold_up_the_others():
    env = DummyVecEnv([lambda: SplitByLayout(Once([0.5, 0.5]), None)] * 3)
    assert [len(seeds) for seeds in balanced_seeds(env, 12, 0)] == [4, 4, 4]


def test_variants_of_a_layout_are_left_to_chance():
    env = numbered([0.5, 0.5])
    queue_seeds(env, balanced_seeds(env, 300, 2))
    variants = Counter((info["layout"], info["variant"]) for info in played(env, 100))
    assert all(45 < count < 105 for count in variants.values())


def test_the_same_seed_deals_the_same_and_another_one_others():
    env = numbered([0.25] * 4)
    assert balanced_seeds(env, 9, 5) == balanced_seeds(env, 9, 5) != balanced_seeds(env, 9, 6)


def test_episodes_are_rounded_up_to_as_many_of_each_env():
    assert [len(seeds) for seeds in balanced_seeds(numbered([0.5, 0.5]), 10, 0)] == [4, 4, 4]


def test_environments_without_layouts_are_left_alone():
    env = make_vec_env("CartPole-v1", n_envs=2, split="test", seed=0)
    chosen = balanced_seeds(env, 10, 0)
    assert chosen == [[], []]
    queue_seeds(env, chosen)


def test_a_seed_that_waits_does_not_replace_what_was_dealt():
    env = numbered([0.25] * 4)
    chosen = balanced_seeds(env, 3, 5)
    expected = [Numbered([0.25] * 4) for _ in chosen]
    for fresh, (seed,) in zip(expected, chosen, strict=True):
        fresh.reset(seed=seed)
    env.seed(1)
    queue_seeds(env, chosen)
    env.reset()
    assert env.get_attr("number") == [fresh.number for fresh in expected]


def test_a_seeded_reset_ends_what_was_dealt():
    env = make_env("Engram-MatchS9-v0", split="test")
    alone = [env.reset(seed=4)[1]["layout"], env.reset()[1]["layout"]]
    env.get_wrapper_attr("queue_seeds")([11, 12, 13])
    assert [env.reset(seed=4)[1]["layout"], env.reset()[1]["layout"]] == alone
