"""The state of every kind of VecEnv, and of the wrappers of Stable-Baselines3 around it."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from mid_episode import assert_goes_on, assert_same, play, round_trip
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecEnvWrapper,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from engram.envs import GymnasiumVecEnv, TensorVecEnv, make_env, make_tensor_env, make_vec_env
from engram.envs.state import get_state, restore, set_state

N_ENVS = 3


class Unpredictable(gym.Env):
    """Draws from a generator that nobody knows of."""

    observation_space = gym.spaces.Box(-10, 10, (2, 3, 4), np.float32)
    action_space = gym.spaces.Discrete(2)
    hidden = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {"hint": 4}

    def step(self, action):
        return self._seen(), 1.0, False, False, {}

    def _seen(self):
        return self.hidden.normal(size=(2, 3, 4)).astype(np.float32)


class UnpredictableParts(Unpredictable):
    observation_space = gym.spaces.Dict({"a": Unpredictable.observation_space, "b": gym.spaces.Box(-9, 9, (5,))})

    def _seen(self):
        return {"a": super()._seen(), "b": self.hidden.normal(size=5).astype(np.float32)}


gym.register("Unpredictable-v0", Unpredictable)


class Unknown(VecEnvWrapper):
    """A wrapper of a user."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.venv.step_wait()


def both(make):
    """Make two of the same, the first further on."""
    made = make(1), make(2)
    rng = np.random.default_rng(3)
    for vec_env, steps in zip(made, (37, 11), strict=True):
        vec_env.action_space.seed(steps)
        vec_env.reset()
        play(vec_env, steps, rng)
    return made


def seeded(vec_env, seed):
    vec_env.seed(seed)
    return vec_env


def cartpoles(seed):
    return seeded(DummyVecEnv([lambda: gym.make("CartPole-v1")] * N_ENVS), seed)


def mazes(seed, **arguments):
    return make_vec_env("Engram-MatchS9-v0", n_envs=N_ENVS, seed=seed, kwargs={"max_steps": 17}, **arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: VecNormalize(cartpoles(seed), gamma=0.9),
        lambda seed: VecNormalize(mazes(seed, odometry=True), norm_obs_keys=["odometry"]),
        lambda seed: VecNormalize(mazes(seed), norm_obs=False),
        lambda seed: VecFrameStack(cartpoles(seed), 4),
        lambda seed: VecFrameStack(mazes(seed, odometry=True), 3),
        lambda seed: VecFrameStack(VecTransposeImage(mazes(seed, pixels=12)), 2),
        lambda seed: VecMonitor(VecCheckNan(cartpoles(seed))),
        lambda seed: VecExtractDictObs(mazes(seed, odometry=True), "odometry"),
        lambda seed: VecFrameStack(VecNormalize(VecMonitor(cartpoles(seed))), 2),
    ],
)
def test_wrappers_go_on(make):
    lines, ended = assert_goes_on(*both(make), steps=101, reset_infos=False)
    assert lines == []
    assert ended


@pytest.mark.parametrize("wrap", [GymnasiumVecEnv, lambda env: VecMonitor(GymnasiumVecEnv(env))])
@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("of_all", [False, True])
def test_vector_envs_of_gymnasium_go_on(mode, wrap, of_all):
    def make(seed):
        env = gym.make_vec(
            "CartPole-v1", num_envs=N_ENVS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
        )
        if of_all and mode != AutoresetMode.DISABLED:
            env = gym.wrappers.vector.NormalizeReward(gym.wrappers.vector.RecordEpisodeStatistics(env))
        return seeded(wrap(env), seed)

    lines, ended = assert_goes_on(*both(make), steps=101, reset_infos=False)
    assert lines == []
    assert ended


def test_vector_envs_in_other_processes_begin_anew():
    def make(seed):
        return seeded(GymnasiumVecEnv(gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="async")), seed)

    stopped, other = both(make)
    restored = restore(other, round_trip(get_state(stopped)))
    assert restored.lines == [
        "envs 0-1: GymnasiumVecEnv could not be brought back to where they stood; they began new episodes"
    ]
    assert sorted(restored.begun) == [0, 1]
    stopped.close()
    other.close()


def on_device(env_id, seed, **arguments):
    env = make_tensor_env(env_id, n_envs=N_ENVS, seed=seed, episodes=23, split="train", **arguments)
    return TensorVecEnv(env)


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("Engram-TMaze-v0", {"kwargs": {"delay": (2, 9), "penalty": 1.0}}),
        ("Engram-Binding-v0", {"kwargs": {"cues": (1, 3), "delay": (0, 2)}}),
        ("Engram-RoomS11-v0", {"kwargs": {"max_steps": 15}}),
        ("MiniGrid-MemoryS9-v0", {"kwargs": {"max_steps": 15}, "odometry": True}),
    ],
)
def test_envs_on_a_device_go_on(env_id, arguments):
    stopped, other = both(lambda seed: on_device(env_id, seed, **arguments))
    rng = np.random.default_rng(0)
    for _ in range(13):  # whose ends are not told yet
        stopped.step_tensors(torch.as_tensor(rng.integers(stopped.action_space.n, size=N_ENVS)))
    state = round_trip(get_state(stopped))
    assert set_state(other, state) == []
    assert_same(
        [{**one, "episode": None} for one in other.ended_episodes()],
        [{**one, "episode": None} for one in stopped.ended_episodes()],
    )
    _, ended = assert_goes_on(stopped, other, steps=90)
    assert ended > N_ENVS
    assert other.layouts_seen == stopped.layouts_seen


def test_the_bank_of_the_envs_is_the_state_s_only_where_it_differs(monkeypatch):
    stopped = on_device("Engram-Chain1-v0", 5)
    stopped.reset()
    same = on_device("Engram-Chain1-v0", 5)
    monkeypatch.setattr(type(same.env), "draw_bank", lambda *_: pytest.fail("drawn again"))
    set_state(same, round_trip(get_state(stopped)))


def test_what_cannot_be_brought_back_begins_anew_and_says_so():
    stopped, other = both(lambda seed: make_vec_env("Unpredictable-v0", n_envs=N_ENVS, seed=seed))
    restored = restore(other, round_trip(get_state(stopped)))
    assert restored.lines == [
        "envs 0-2: Unpredictable-v0 could not be brought back to where they stood; they began new episodes"
    ]
    assert other.reset_infos == [{"hint": 4}] * N_ENVS
    assert [env.get_wrapper_attr("rewards") for env in other.envs] == [[]] * N_ENVS
    ones = [env.unwrapped.np_random.random() for env in stopped.envs]
    assert [env.unwrapped.np_random.random() for env in other.envs] == ones


@pytest.mark.parametrize("kind", [Unpredictable, UnpredictableParts])
@pytest.mark.parametrize("channels", ["first", "last"])
def test_first_observations_of_new_episodes_are_shown_as_the_wrappers_show_them(kind, channels):
    def make(seed):
        inner = VecMonitor(DummyVecEnv([kind] * N_ENVS))
        return seeded(VecFrameStack(VecNormalize(inner, training=False, gamma=0.5), 3, channels_order=channels), seed)

    stopped, other = both(make)
    stopped.venv.returns[:] = 5.0
    restored = restore(other, round_trip(get_state(stopped)))
    assert list(restored.begun) == [0, 1, 2]
    assert not other.venv.returns.any()
    assert not other.venv.venv.episode_lengths.any()
    shown = restored.begun[1]
    parts = {"": shown} if kind is Unpredictable else shown
    for name, part in parts.items():
        space = other.observation_space if not name else other.observation_space[name]
        assert part.shape == space.shape
        axis = 0 if channels == "first" else -1
        blank, blank_too, seen = np.split(part, 3, axis=axis)
        assert not blank.any()
        assert not blank_too.any()
        assert seen.all()
    after, *_ = other.step(np.zeros(N_ENVS, dtype=int))
    for name, part in parts.items():
        axis = 0 if channels == "first" else -1
        now = after[1] if not name else after[name][1]
        np.testing.assert_array_equal(np.split(now, 3, axis=axis)[1], np.split(part, 3, axis=axis)[2])


def test_envs_of_others_that_nobody_recorded_begin_anew():
    stopped, other = both(lambda seed: seeded(DummyVecEnv([lambda: gym.make("FrozenLake-v1")] * 2), seed))
    lines = set_state(other, round_trip(get_state(stopped)))
    assert lines == ["envs 0-1: FrozenLake-v1 could not be brought back to where they stood; they began new episodes"]


def test_only_those_that_differ_begin_anew():
    makes = [lambda: make_env("CartPole-v1"), Unpredictable, lambda: gym.make("Pendulum-v1")]

    def make(seed):
        spaces = {"observation_space": Unpredictable.observation_space, "action_space": Unpredictable.action_space}
        return [seeded(DummyVecEnv([one]), seed) for one in makes] if spaces else []

    for stopped, other, expected in zip(make(1), make(2), (0, 1, 0), strict=True):
        stopped.reset()
        assert len(set_state(other, round_trip(get_state(stopped)))) == expected


def test_a_wrapper_of_a_user_is_named():
    stopped, other = both(lambda seed: VecNormalize(Unknown(cartpoles(seed))))
    lines, _ = assert_goes_on(stopped, other, steps=50, reset_infos=False)
    assert lines == ["what Unknown holds could not be restored: nothing is known of it"]


def test_users_envs_in_processes_of_their_own_begin_anew():
    stopped, other = (SubprocVecEnv([lambda: gym.make("CartPole-v1")]) for _ in range(2))
    stopped.reset()
    assert set_state(other, round_trip(get_state(stopped))) == [
        "env 0: SubprocVecEnv could not be brought back to where it stood; it began a new episode"
    ]
    stopped.close()
    other.close()
