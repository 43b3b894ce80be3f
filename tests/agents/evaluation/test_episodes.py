"""Measuring an agent: as many episodes of every env, and in which it looked again."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from cued import WithoutCueInfo, cued
from small import small
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from staggered import LENGTHS, ROWS, Masked, Staggered, agent, counting_agent, vec_env

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.agents.rollout.questions import ends_by_itself
from engram.envs import make_vec_env


def test_every_env_plays_the_same_number_of_episodes():
    episodes = evaluate(counting_agent(), vec_env(env=Staggered), n_episodes=10)
    # 10 are rounded up to 4 of each of the 3 envs, and lengths come in the order of the envs.
    expected = [lengths[i % len(lengths)] for lengths in LENGTHS for i in range(4)]
    assert episodes.length.tolist() == expected
    assert episodes.success.tolist() == [i % 2 == 0 for _ in LENGTHS for i in range(4)]
    columns = episodes[:5]
    assert {len(column) for column in columns} == {12}
    assert [column.dtype.kind for column in columns] == ["b", "f", "i", "O", "b"]
    assert set(episodes.layout) == {""}


class Drawing(gym.Env):
    """Episodes of two or three steps; what is drawn at the start is seen first, and each step may draw as well."""

    observation_space, action_space = gym.spaces.Dict({"drawn": gym.spaces.Box(0, 1, (2,))}), gym.spaces.Discrete(2)

    def __init__(self, draws: bool) -> None:
        self.draws = draws

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.drawn, self.left = self.np_random.random(2, dtype=np.float32), 3
        return {"drawn": self.drawn}, {}

    def step(self, action):
        self.left -= 1 + action
        if self.draws:
            self.np_random.random(1 + action)
        return {"drawn": self.drawn * 0}, 0.0, self.left <= 0, False, {}


@pytest.mark.parametrize("draws", [False, True])
def test_episodes_that_begin_otherwise_are_told_apart(draws):
    env = DummyVecEnv([lambda: Drawing(draws)] * 3)
    model = MemoryPPO("MemoryPolicy", env, memory="none", n_steps=8, device="cpu", seed=0)
    seen = []
    for action in (0, 1):
        model.predict = lambda *args, action=action: (np.full(3, action), args[1])
        env.seed(7)
        seen.append(evaluate(model, env, n_episodes=6).first_seen)
    assert len(set(seen[0])) == 6
    # What is drawn in a step moves on the generator of the next episode, the second of each env.
    assert (seen[0] == seen[1]).tolist() == [True, not draws] * 3


class Flashing(Drawing):
    """What is drawn is seen at the second step alone; all other observations are the same."""

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        return {"drawn": observation["drawn"] * 0}, info

    def step(self, action):
        observation, *outcome = super().step(action)
        return {"drawn": np.round(self.drawn) if self.left == 2 else observation["drawn"]}, *outcome


def test_episodes_of_other_observations_are_told_apart():
    env = DummyVecEnv([lambda: Flashing(False)] * 3)
    model = MemoryPPO("MemoryPolicy", env, memory="none", n_steps=8, device="cpu", seed=0)
    model.predict = lambda *args: (np.zeros(3, int), args[1])
    drawn = []
    found = evaluate(model, env, n_episodes=60, watch=lambda obs, *_: drawn.append(obs["drawn"].copy()))
    assert len(set(found.first_seen)) == 1
    # Three steps each, all envs at once: the second has what was drawn.
    expected = np.stack(drawn[1::3], axis=1).reshape(60, 2)
    assert len(set(found.seen)) == 4
    assert len({(*row, seen) for row, seen in zip(expected.tolist(), found.seen.tolist(), strict=True)}) == 4


@pytest.mark.parametrize(
    "space", [gym.spaces.Discrete(3), gym.spaces.Box(-2, 2, (2,)), gym.spaces.MultiDiscrete([3, 5])]
)
def test_episodes_of_other_actions_are_told_apart(space):
    env = vec_env(env=Staggered, action_space=space)
    model = agent(env)
    zeros = np.stack([np.zeros_like(space.sample()) for _ in range(ROWS)])

    def acted(first, then):
        """Play with some actions at the first and at the second step of the envs, and with none later."""
        wanted = iter([first, then])
        model.predict = lambda *args: (next(wanted, zeros), args[1])
        return evaluate(model, vec_env(env=Staggered, action_space=space), n_episodes=6).acted

    other = zeros.copy()
    other[1] = 1
    same, early, late = acted(zeros, zeros), acted(other, zeros), acted(zeros, other)
    assert (same == acted(zeros, zeros)).all()
    # Only the first episode of the second env, which has five steps.
    assert (same != early).tolist() == (same != late).tolist() == [False, False, True, False, False, False]
    assert early[2] != late[2]


class Laid(Staggered):
    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        return observation, 0.5, terminated, truncated, {**info, "layout": f"maze {self.row}"}


def test_returns_and_layouts_are_those_of_the_episode():
    episodes = evaluate(agent(), vec_env(env=Laid), n_episodes=6)
    assert episodes.layout.tolist() == ["maze 0"] * 2 + ["maze 1"] * 2 + ["maze 2"] * 2
    assert np.allclose(episodes.episode_return, 0.5 * episodes.length)


def test_normalized_rewards_are_not_what_is_reported():
    env = DummyVecEnv([lambda row=row: Monitor(Laid(row)) for row in range(ROWS)])
    episodes = evaluate(agent(), VecNormalize(env, norm_obs=False), n_episodes=6)
    assert np.allclose(episodes.episode_return, 0.5 * episodes.length)


def test_progress_is_reported_episode_by_episode():
    reported = []
    evaluate(agent(), vec_env(), n_episodes=5, on_progress=lambda finished, total: reported.append((finished, total)))
    assert reported == [(i, 6) for i in range(1, 7)]


def test_masks_of_the_envs_are_respected(monkeypatch):
    played = evaluate(agent(), vec_env(env=Masked), n_episodes=6, deterministic=False)  # the env asserts it
    assert len(played.success) == 6
    monkeypatch.setattr("engram.agents.evaluation.episodes.env_action_masks", lambda env: None)
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


# Looking again.

LOOKS = [
    # What is seen of the cue in an episode, the last after its last step, and whether it came into sight again.
    [("1100", False), ("0011", False), ("0010", False), ("1011", True)],  # ends in sight, begins out of sight
    [("01000", False), ("110", False), ("100", False), ("11000100", True), ("000", False)],
    [("101", True), ("0001", False), ("10", False), ("1001101", True), ("01101", True)],
]


def test_looking_again_is_counted_episode_by_episode():
    scripts = [[script for script, _ in row] for row in LOOKS]
    episodes = evaluate(agent(cued()), cued(scripts), n_episodes=12)
    assert episodes.cue_known
    assert episodes.length.tolist() == [len(script) - 1 for row in scripts for script in row[:4]]
    assert episodes.looked_again.tolist() == [again for row in LOOKS for _, again in row[:4]]


def test_the_cue_is_known_of_a_wrapped_env_too():
    env = VecNormalize(cued(), norm_obs=False)
    assert evaluate(agent(env), env, n_episodes=6).cue_known


def test_without_info_of_the_cue_no_episode_counts_as_looked_again():
    env = cued(env=WithoutCueInfo)
    episodes = evaluate(agent(env), env, n_episodes=6)
    assert not episodes.cue_known
    assert not episodes.looked_again.any()


class Endless(Staggered):
    """In some rows episodes do not end."""

    endless = (1,)

    def step(self, action):
        *step, terminated, truncated, info = super().step(action)
        is_endless = self.row in self.endless and self.episode > 0
        return *step, terminated and not is_endless, truncated and not is_endless, info


def test_an_episode_without_an_end_is_cut():
    with pytest.warns(UserWarning, match=r"1 of 10 episodes had not ended after 50 steps and were cut"):
        played = evaluate(small(), vec_env(env=Endless), 12, most_steps=50)
    assert len(played.length) == 10
    assert played.cut == 1
    assert played.length.max() == 50
    assert not played.success[played.length == 50].any()


@pytest.mark.parametrize("promise", ["always_ends", "max_steps"])
def test_one_that_is_known_to_end_is_not_cut(promise):
    class Long(Staggered):
        def __init__(self, row=0):
            super().__init__(row)
            setattr(self, promise, True)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played = evaluate(small(), vec_env(env=Long), 12, most_steps=3)
    assert played.length.max() > 3


def test_a_limit_of_the_registry_is_known():
    assert ends_by_itself(make_vec_env("CartPole-v1", n_envs=2))
    assert ends_by_itself(make_vec_env("Engram-TMaze-v0", n_envs=2))
    assert ends_by_itself(make_vec_env("Engram-Chain2-v0", n_envs=2))
    assert ends_by_itself(make_vec_env("MiniGrid-MemoryS9-v0", n_envs=2))
    assert not ends_by_itself(make_vec_env("CliffWalking-v1", n_envs=2))
    assert not ends_by_itself(vec_env())
