"""Gymnasium's vector envs in their three modes give what a DummyVecEnv of the same envs gives."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from small import SMALL, weights
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecMonitor
from staggered import OBSERVATIONS, ROWS, Staggered, vec_env

from engram.agents import MemoryPPO
from engram.envs import GymnasiumVecEnv
from engram.envs.gymnasium_vector import info_of

MODES = list(AutoresetMode)
SPACES = {"vector": OBSERVATIONS["vector"], "dict": OBSERVATIONS["dict"]}


class Reporting(Staggered):
    """Tells in its infos where it stands, also at a reset."""

    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed)
        return observation, {"episode": self.episode, "cue_visible": self.episode % 2 == 0}

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        info = {**info, "time": self.time, "deep": {"twice": 2 * self.time}}
        return observation, reward, terminated, truncated or (terminated and self.episode % 4 == 0), info


def vector_env(mode, space=SPACES["vector"], cls=SyncVectorEnv):
    return cls([lambda row=row: Reporting(row, space) for row in range(ROWS)], copy=False, autoreset_mode=mode)


class Foreign(VectorEnv):
    """A vector env of another library, which begins an episode by a step and takes no masks."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self):
        self.inner = vector_env(AutoresetMode.NEXT_STEP)
        self.num_envs, self.render_mode = ROWS, None
        self.single_observation_space = self.inner.single_observation_space
        self.single_action_space = self.inner.single_action_space

    def reset(self, *, seed=None, options=None):
        assert not options
        return self.inner.reset(seed=seed)

    def step(self, actions):
        return self.inner.step(actions)


class Noisy(VecEnvWrapper):
    """Shows something else while a step only begins an episode."""

    def reset(self):
        self.rng = np.random.default_rng(1)
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        for row, info in enumerate(infos):
            if dones[row] and not info.get("reset_only"):
                observations[row] = self.rng.random(observations[row].shape)
        return observations, rewards, dones, infos


def played(env, steps=40):
    rng, seen = np.random.default_rng(0), [env.reset()]
    infos = [list(env.reset_infos)]
    for _ in range(steps):
        observations, rewards, dones, of_step = env.step(rng.integers(3, size=ROWS))
        seen.append((observations, rewards, dones))
        infos.append((of_step, [dict(info) for info in env.reset_infos]))
    return seen, infos


KINDS = [(SyncVectorEnv, "vector"), (SyncVectorEnv, "dict"), (AsyncVectorEnv, "vector")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("cls", "space"), KINDS)
def test_it_steps_as_a_dummy_vec_env(cls, space, mode):
    env = GymnasiumVecEnv(vector_env(mode, SPACES[space], cls))
    (seen, infos), expected = (
        played(env),
        DummyVecEnv([lambda row=row: Reporting(row, SPACES[space]) for row in range(ROWS)]),
    )
    env.close()
    others, other_infos = played(expected)
    np.testing.assert_equal(seen, others)
    assert [one.dtype for one in seen[1][1:]] == [one.dtype for one in others[1][1:]]
    np.testing.assert_equal(infos, other_infos)


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_learns_the_same_to_the_last_bit(mode):
    def learned(env):
        return weights(MemoryPPO("MemoryPolicy", env, **SMALL).learn(120))

    assert torch.equal(learned(VecMonitor(GymnasiumVecEnv(vector_env(mode)))), learned(vec_env(env=Reporting)))


def test_where_a_step_begins_an_episode_the_episodes_are_the_same():
    def episodes(env, skipped):
        rng = [np.random.default_rng(row) for row in range(ROWS)]
        shown = env.reset()
        current, ended = [[(row.tolist(),)] for row in shown], [[] for _ in range(ROWS)]
        only_resets = np.zeros(ROWS, bool)
        for _ in range(60):
            actions = np.array([0 if wait else one.integers(3) for one, wait in zip(rng, only_resets, strict=True)])
            shown, rewards, dones, infos = env.step(actions)
            for row in range(ROWS):
                if infos[row].get("reset_only"):
                    assert skipped
                    assert (dones[row], rewards[row]) == (True, 0)
                    only_resets[row], current[row] = False, [(shown[row].tolist(),)]
                elif dones[row]:
                    last = infos[row]["terminal_observation"].tolist()
                    ended[row].append([*current[row], (last, rewards[row], infos[row]["TimeLimit.truncated"])])
                    only_resets[row], current[row] = skipped, [(shown[row].tolist(),)]
                else:
                    current[row].append((shown[row].tolist(), rewards[row]))
        return ended

    stepwise, plain = episodes(GymnasiumVecEnv(Foreign()), True), episodes(vec_env(env=Reporting), False)
    for some, others in zip(stepwise, plain, strict=True):
        assert len(some) >= 3
        assert some == others[: len(some)]


def test_a_step_that_only_begins_an_episode_is_not_learned_from():
    def learned(env):
        model = MemoryPPO("MemoryPolicy", env, **SMALL).learn(120)
        assert 0 < model.chunks.steps.reset_only.float().mean() < 0.5
        return weights(model)

    assert torch.equal(learned(GymnasiumVecEnv(Foreign())), learned(Noisy(GymnasiumVecEnv(Foreign()))))


def test_stock_agents_take_it_too():
    PPO("MlpPolicy", GymnasiumVecEnv(vector_env(AutoresetMode.NEXT_STEP)), n_steps=8, batch_size=12).learn(24)


def test_seeds_are_those_of_a_dummy_vec_env():
    def first(env):
        env.seed(7)
        return env.reset()

    vector = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3)
    assert np.array_equal(first(GymnasiumVecEnv(vector)), first(DummyVecEnv([lambda: gym.make("CartPole-v1")] * 3)))


def test_attributes_and_methods_are_those_of_its_envs():
    env = GymnasiumVecEnv(vector_env(AutoresetMode.SAME_STEP))
    assert env.get_attr("row") == [0, 1, 2]
    assert env.get_attr("row", [2]) == [2]
    assert not env.has_attr("action_masks")
    env.reset()
    assert len(env.env_method("observe")) == ROWS


def test_infos_are_taken_apart():
    infos = {"a": np.array([1, 0]), "_a": np.array([True, False]), "d": {"b": np.array([2, 3])}, "c": np.array([4, 5])}
    assert info_of(infos, 0) == {"a": 1, "d": {"b": 2}, "c": 4}
    assert info_of(infos, 1) == {"d": {"b": 3}, "c": 5}


def test_one_that_does_not_name_its_mode_is_refused():
    env = vector_env(AutoresetMode.SAME_STEP)
    env.metadata = {}
    with pytest.raises(ValueError, match=r"metadata\['autoreset_mode'\] is None: it must name one of NextStep"):
        GymnasiumVecEnv(env)
