"""What news pays: nothing where everything is new, and never in what is reported."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import STEPS, Telling, agent, collect_one, vec_env

from engram.agents.exploration.reward import news_rate, novelty_bonus

ROWS = 3


def test_the_rate_is_of_the_steps_that_could_bring_news():
    visits = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    ended = torch.tensor([[False, True], [True, False], [False, False]])
    assert news_rate(visits, ended) == pytest.approx(3 / 4)
    assert news_rate(torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool)) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_the_rate_of_first_visits_is_their_share_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    visits, ended = torch.tensor(rng.random((64, 37)) < rng.random()), torch.tensor(rng.random((64, 37)) < 0.1)
    visits &= ~ended
    assert news_rate(visits.float(), ended) == int(visits.sum()) / int((~ended).sum())


def test_the_rate_of_graded_news_is_how_many_steps_share_it():
    ended = torch.zeros(5, 2, dtype=torch.bool)
    assert news_rate(torch.full((5, 2), 0.3), ended) == pytest.approx(1.0)
    assert news_rate(torch.full((5, 2), 1e-9).index_fill_(0, torch.tensor([2]), 7.0), ended) == pytest.approx(0.2)
    assert all(news_rate(torch.full((5, 2), n), ended) <= 1.0 for n in np.geomspace(1e-9, 1e9, 999))
    visits = torch.tensor([1.0] * 3 + [0.0] * 7).view(5, 2)
    assert news_rate(1e-6 * visits, ended) == pytest.approx(0.3)  # whatever the unit


def test_news_that_comes_at_every_step_is_worth_nothing():
    visits = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert novelty_bonus(visits, 1.0, 0.02).max() == 0.0
    assert novelty_bonus(visits, 0.0, 0.02).numpy() == pytest.approx(np.array([[0.02, 0.02], [0.02, 0.0]]))
    assert novelty_bonus(visits, 0.5, 1.0).max().item() == pytest.approx(0.9375)
    worths = [novelty_bonus(visits, rate, 1.0).max().item() for rate in np.linspace(0, 1, 11)]
    assert worths == sorted(worths, reverse=True)


def logged(model, name):
    return model.logger.name_to_value[name]


def test_in_an_env_where_every_observation_is_new_there_is_no_bonus():
    model = agent(vec_env(env=Telling), novelty_coef=0.5)
    for _ in range(2):
        collect_one(model)
        assert logged(model, "novelty/rate") == 1.0
        assert logged(model, "novelty/bonus") == 0.0


class Corridor(gym.Env):
    """Twelve steps between three places; a reward of 1 at the end."""

    observation_space, action_space = spaces.Discrete(3), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.place = 0, 1
        return self.place, {}

    def step(self, action):
        self.time += 1
        self.place = (self.place + 2 * int(action) - 1) % 3
        over = self.time == 12
        return self.place, float(over), over, False, {}


def corridors():
    return DummyVecEnv([lambda: Monitor(Corridor())] * ROWS)


def test_the_bonus_is_learned_from_but_never_reported():
    plain, curious = agent(corridors(), novelty_coef=0.0), agent(corridors(), novelty_coef=0.5)
    for model in (plain, curious):
        torch.manual_seed(3)
        collect_one(model)
    assert torch.equal(plain.chunks.steps.actions, curious.chunks.steps.actions)
    # What the env gave is what is stored and logged ...
    assert torch.equal(plain.chunks.steps.rewards, curious.chunks.steps.rewards)
    assert set(curious.chunks.steps.rewards.unique().tolist()) == {0.0, 1.0}
    assert [info["r"] for info in curious.ep_info_buffer] == [1.0] * ROWS
    assert logged(plain, "novelty/bonus") == 0.0
    # ... and what is learned from is more, where there was news: two of the three places, once per episode.
    assert logged(curious, "novelty/rate") > 0
    rate, started = logged(curious, "novelty/rate"), 2 * ROWS
    assert rate <= 2 * started / (ROWS * (STEPS - 1))
    gained = (curious.chunks.advantages - plain.chunks.advantages).flatten()
    assert gained.max() > 0.3
    assert gained.min() >= -1e-6


def test_the_bonus_falls_linearly_to_zero():
    model = agent(corridors(), novelty_coef=0.04, novelty_fraction=0.5)
    coefs = []
    for remaining in (1.0, 0.9, 0.75, 0.5, 0.2, 0.0):
        model._current_progress_remaining = remaining
        collect_one(model)
        coefs.append(logged(model, "novelty/coef"))
    assert coefs == pytest.approx([0.04, 0.032, 0.02, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("wrong", [{"novelty_coef": -0.1}, {"novelty_fraction": 0.0}, {"novelty_fraction": 1.5}])
def test_wrong_sizes_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name}={wrong[name]}"):
        agent(**wrong)
