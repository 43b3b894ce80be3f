"""Measuring an agent: as many episodes of every env, interventions that do what they say, and an interval."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy.stats import norm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from staggered import LENGTHS, ROWS, Masked, Staggered, agent, counting_agent, vec_env

from agents.evaluation import evaluate, intervene, wilson_interval
from memory.state import leaves


def test_every_env_plays_the_same_number_of_episodes():
    episodes = evaluate(counting_agent(), vec_env(env=Staggered), n_episodes=10)
    # 10 are rounded up to 4 of each of the 3 envs, and lengths come in the order of the envs.
    expected = [lengths[i % len(lengths)] for lengths in LENGTHS for i in range(4)]
    assert episodes.length.tolist() == expected
    assert episodes.success.tolist() == [i % 2 == 0 for _ in LENGTHS for i in range(4)]
    assert {len(column) for column in episodes} == {12}
    assert [column.dtype.kind for column in episodes] == ["b", "f", "i", "O"]
    assert set(episodes.layout) == {""}


class Laid(Staggered):
    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        return observation, 0.5, terminated, truncated, {**info, "layout": f"maze {self.row}"}


def test_returns_and_layouts_are_those_of_the_episode():
    episodes = evaluate(agent(), vec_env(env=Laid), n_episodes=6)
    assert episodes.layout.tolist() == ["maze 0"] * 2 + ["maze 1"] * 2 + ["maze 2"] * 2
    assert np.allclose(episodes.episode_return, 0.5 * episodes.length)


def test_normalised_rewards_are_not_what_is_reported():
    env = DummyVecEnv([lambda row=row: Monitor(Laid(row)) for row in range(ROWS)])
    episodes = evaluate(agent(), VecNormalize(env, norm_obs=False), n_episodes=6)
    assert np.allclose(episodes.episode_return, 0.5 * episodes.length)


def test_progress_is_told_episode_by_episode():
    told = []
    evaluate(agent(), vec_env(), n_episodes=5, on_progress=lambda finished, total: told.append((finished, total)))
    assert told == [(i, 6) for i in range(1, 7)]


def test_masks_of_the_envs_are_respected(monkeypatch):
    played = evaluate(agent(), vec_env(env=Masked), n_episodes=6, deterministic=False)  # the env asserts it
    assert len(played.success) == 6
    monkeypatch.setattr("agents.evaluation.env_action_masks", lambda env: None)
    with pytest.raises(AssertionError, match="a forbidden action was taken"):
        evaluate(agent(), vec_env(env=Masked), n_episodes=6, deterministic=False)


def test_it_agrees_with_evaluate_policy():
    env = DummyVecEnv([lambda: Monitor(Staggered(0))])
    model = agent()
    returns, lengths = evaluate_policy(model, env, n_eval_episodes=7, return_episode_rewards=True)
    fresh = DummyVecEnv([lambda: Monitor(Staggered(0))])
    episodes = evaluate(model, fresh, n_episodes=7)
    assert episodes.length.tolist() == lengths
    assert np.allclose(episodes.episode_return, returns, atol=1e-5)


@pytest.mark.parametrize("n_episodes", [0, -3])
def test_no_episodes_are_refused(n_episodes):
    with pytest.raises(ValueError, match=f"n_episodes={n_episodes} must be at least 1"):
        evaluate(agent(), vec_env(), n_episodes=n_episodes)


# Interventions.


def carried(model):
    state = None
    for observation in torch.randn(6, ROWS, 4).numpy():
        _, state = model.predict(observation, state)
    return state


@pytest.mark.parametrize("controller", ["lstm", "gru", "feedforward"])
def test_interventions_do_what_they_say(controller):
    model = agent(controller=controller)
    state = carried(model)
    initial = model.policy.initial_state(ROWS)
    kept, forgotten = list(leaves(state.core.controller)), list(leaves(initial.core.controller))

    def equal(one, others):
        return all(torch.equal(a, b) for a, b in zip(leaves(one), others, strict=True))

    assert intervene(model.policy, state, "intact") is state
    for intervention, empties, forgets in [
        ("wiped", True, False),
        ("controller_wiped", False, True),
        ("both_wiped", True, True),
    ]:
        after = intervene(model.policy, state, intervention)
        assert after.core.memory.filled.any() != empties
        assert equal(after.core.controller, forgotten if forgets else kept)
        assert torch.equal(after.core.memory.step, state.core.memory.step)
        assert torch.equal(after.previous_action, state.previous_action)
    assert state.core.memory.filled.any()


def test_an_unknown_intervention_is_answered_with_the_known_ones():
    model = agent()
    with pytest.raises(
        ValueError, match=r"unknown intervention 'whiped'; choose one of intact, wiped, controller_wiped"
    ):
        intervene(model.policy, carried(model), "whiped")


def test_without_a_memory_wiping_changes_nothing():
    model = agent(memory="none")
    state = carried(model)
    after = intervene(model.policy, state, "wiped")
    assert all(torch.equal(a, b) for a, b in zip(leaves(after), leaves(state), strict=True))


class Cue(gym.Env):
    """Shows a number once, then nothing for three steps; the return is the last action."""

    observation_space, action_space = spaces.Box(0, 1, (2,), np.float32), spaces.Box(-1e3, 1e3, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.array([self.np_random.random(), 1.0], np.float32), {}

    def step(self, action):
        self.time += 1
        over = self.time == 4
        return np.zeros(2, np.float32), float(action[0]) if over else 0.0, over, False, {}


@pytest.mark.parametrize(
    ("controller", "remembers"),
    [
        ("feedforward", {"intact", "controller_wiped"}),
        ("lstm", {"intact", "wiped", "controller_wiped"}),
    ],
)
@pytest.mark.parametrize("intervention", ["intact", "wiped", "controller_wiped", "both_wiped"])
def test_what_is_wiped_has_no_say_in_what_is_done(controller, remembers, intervention):
    env = DummyVecEnv([Cue] * ROWS)
    model = agent(env, controller=controller, memory_kwargs={"slots": 9, "heads": 2, "step_embedding_size": 0})
    with torch.no_grad():
        model.policy.core.encoder.of_action.weight.zero_()  # an action could carry the cue to the next step
    last_actions = evaluate(model, env, n_episodes=4 * ROWS, intervention=intervention).episode_return
    differ = np.ptp(last_actions) > 1e-4
    assert differ == (intervention in remembers)


# The interval.


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (7, 10), (97, 100), (500, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_wilson_interval_is_wilsons(successes, n, confidence):
    z, p = norm.ppf(0.5 + confidence / 2), successes / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = wilson_interval(successes, n, confidence)
    assert low == pytest.approx(max(0.0, (centre - half) / (1 + z * z / n)), abs=1e-9)
    assert high == pytest.approx(min(1.0, (centre + half) / (1 + z * z / n)), abs=1e-9)
    assert 0 <= low <= p <= high <= 1
