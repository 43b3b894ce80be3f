"""POPGym's own tasks run unchanged."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from engram.agents.spaces import check_spaces
from engram.envs import make_env, make_vec_env

pytest.importorskip("popgym", reason="needs pip install -e '.[popgym]'")
IDS = [env_id for env_id in gym.registry if env_id.startswith("popgym-")]


def test_none_is_missing():
    assert len(IDS) >= 42


@pytest.mark.parametrize("env_id", IDS)
def test_it_runs(env_id):
    env = make_env(env_id, module="popgym", seed=0)
    check_spaces(env.observation_space, env.action_space)
    observation, _ = env.reset(seed=1)
    for _ in range(20):
        assert env.observation_space.contains(observation)
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            observation, _ = env.reset()


@pytest.mark.parametrize("env_id", IDS)
def test_the_same_seed_plays_the_same_episode(env_id):
    def record(seed):
        env = make_env(env_id, module="popgym", seed=seed)
        steps = [env.step(env.action_space.sample())[:2] for _ in range(5)]
        return [
            np.concatenate([np.ravel(part) for part in _parts(observation)] + [[reward]])
            for observation, reward in steps
        ]

    for one, again in zip(record(3), record(3), strict=True):
        np.testing.assert_array_equal(one, again)


def _parts(observation):
    return observation.values() if isinstance(observation, dict) else [observation]


def test_autoencode_shows_whether_it_watches_and_the_card():
    env = make_env("popgym-AutoencodeEasy-v0", module="popgym", seed=0)
    assert env.observation_space == spaces.Dict({"0": spaces.Discrete(2), "1": spaces.Discrete(4)})


def perfect(env_id):
    """Play one episode by the rules; return its rewards and the monitored return."""
    vec_env = make_vec_env(env_id, module="popgym")
    game = vec_env.envs[0].unwrapped
    vec_env.seed(5)
    vec_env.reset()
    rewards = []
    while True:
        cards, suits = game.deck["system" if "Autoencode" in env_id else "player"], game.deck.suits_idx
        known = cards[-1] if "Autoencode" in env_id else cards[-min(64, len(cards))]
        _, reward, (ended,), (info,) = vec_env.step(np.array([suits[known]]))
        rewards.append(float(reward[0]))
        if ended:
            return rewards, info["episode"]["r"]


@pytest.mark.parametrize(
    ("env_id", "steps", "answers"),
    [("popgym-RepeatPreviousHard-v0", 155, 92), ("popgym-AutoencodeEasy-v0", 103, 52)],
)
def test_perfect_play_pays_one(env_id, steps, answers):
    rewards, monitored = perfect(env_id)
    assert len(rewards) == steps
    np.testing.assert_allclose(rewards, [0.0] * (steps - answers) + [1 / answers] * answers, rtol=1e-6)
    assert monitored == pytest.approx(1.0, abs=1e-5)
