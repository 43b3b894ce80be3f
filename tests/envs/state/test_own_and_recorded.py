"""Envs that give their state themselves, and those whose actions are recorded and played again."""

import gymnasium as gym
import numpy as np
import pytest
from mid_episode import assert_goes_on, assert_same, play, round_trip
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import adapt_env, make_env, make_vec_env
from engram.envs.state import get_state, recording, restore, set_state
from engram.envs.state.recording import Recorded
from engram.envs.tasks.mazes.match import Match


class Walk(gym.Env):
    """A random walk, kept where no codec looks."""

    def __init__(self):
        self.observation_space = gym.spaces.Box(-99, 99, (2,), np.float64)
        self.action_space = gym.spaces.Discrete(3)
        self.kept = iter(())

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._keep(self.np_random.normal(), 0)
        return self._seen(), {}

    def step(self, action):
        at, steps = self._seen()
        self._keep(at + action + self.np_random.normal(), int(steps) + 1)
        return self._seen(), float(at), steps >= 7, False, {}

    def _keep(self, *numbers):
        def kept():
            while True:
                yield np.array(numbers)

        self.kept = kept()

    def _seen(self):
        return next(self.kept)


class OwnWalk(Walk):
    """The same, with a state of its own."""

    def get_state(self):
        at, steps = self._seen()
        return {"at": float(at), "steps": int(steps)}

    def set_state(self, state):
        self._keep(state["at"], state["steps"])


class OnlyGets(Walk):
    """As envs of POPGym, whose method is for another thing."""

    def get_state(self):
        raise AssertionError("asked")


class Shy(Walk):
    """Its state is no plain data."""

    def get_state(self):
        return self

    def set_state(self, state):
        raise AssertionError("set")


class Late(Match):
    """A user's maze that gets an attribute only at a step."""

    def step(self, action):
        self.last = int(action)
        return super().step(action)


for kind in (Walk, OwnWalk, OnlyGets, Shy, Late):
    gym.register(f"{kind.__name__}-v0", kind)


def stopped_and_other(env_id, played=5, **arguments):
    made = [make_vec_env(env_id, n_envs=3, seed=seed, **arguments) for seed in (1, 2)]
    for vec_env in made:
        vec_env.action_space.seed(7)
        vec_env.reset()
    play(made[0], played, np.random.default_rng(0))
    return made


def recorded_in(vec_env):
    return [layer for env in vec_env.envs for layer in layers(env) if isinstance(layer, Recorded)]


def layers(env):
    return [env, *layers(env.env)] if isinstance(env, gym.Wrapper) else [env]


@pytest.mark.parametrize(("env_id", "recorded"), [("Walk-v0", 3), ("OnlyGets-v0", 3), ("OwnWalk-v0", 0)])
def test_own_states_are_asked_for_and_others_played_again(env_id, recorded):
    stopped, other = stopped_and_other(env_id)
    assert len(recorded_in(stopped)) == recorded
    lines, ended = assert_goes_on(stopped, other, steps=40)
    assert lines == []
    assert ended > 9


def test_a_state_of_its_own_that_is_refused_refuses_all():
    stopped, other = stopped_and_other("OwnWalk-v0")
    state = round_trip(get_state(stopped))
    own = next(one for one in state["envs"]["inside"][1]["layers"] if "own" in one)
    del own["own"]["at"]
    with pytest.raises(ValueError, match="this is no state of these envs: 'at'"):
        set_state(other, state)


def test_a_state_that_is_no_plain_data_is_none():
    stopped, other = stopped_and_other("Shy-v0")
    assert len(set_state(other, round_trip(get_state(stopped)))) == 1


def test_attributes_that_come_late_begin_a_new_episode():
    stopped, other = stopped_and_other("Late-v0")
    assert set_state(other, round_trip(get_state(stopped))) == [
        "envs 0-2: Late-v0 could not be brought back to where they stood; they began new episodes"
    ]
    play(other, 1, np.random.default_rng(0))


def test_a_second_stop_in_the_same_episode():
    stopped, other = stopped_and_other("Walk-v0", played=2)
    for _ in range(3):
        lines, _ = assert_goes_on(stopped, other, steps=2)
        assert lines == []
        _, other = stopped_and_other("Walk-v0", played=0)


def test_what_leads_elsewhere_when_played_again_begins_anew(monkeypatch):
    stopped, other = stopped_and_other("Walk-v0")
    state = round_trip(get_state(stopped))
    monkeypatch.setattr(Walk, "_keep", lambda walk, at, steps: setattr(walk, "kept", iter([(at + 1, steps)] * 9)))
    monkeypatch.setattr(Walk, "_seen", lambda walk: np.array(next(walk.kept), dtype=float))
    assert len(set_state(other, state)) == 1


def test_what_draws_other_random_numbers_when_played_again_begins_anew(monkeypatch):
    stopped, other = stopped_and_other("Walk-v0", played=3)
    state = round_trip(get_state(stopped))
    seen = Walk._seen

    def draws_more(walk):
        walk.np_random.random()
        return seen(walk)

    monkeypatch.setattr(Walk, "_seen", draws_more)
    assert len(set_state(other, state)) == 1


def test_an_env_that_fails_when_played_again_begins_anew(monkeypatch):
    stopped, other = stopped_and_other("Walk-v0")
    state = round_trip(get_state(stopped))
    monkeypatch.setattr(Walk, "step", lambda walk, action: 1 / 0)
    restored = restore(other, state)
    assert len(restored.lines) == 1
    # The episode that begins is the one that would have come next.
    for row, env in enumerate(stopped.envs):
        np.testing.assert_array_equal(restored.begun[row], env.reset()[0])


def test_an_episode_that_is_too_long_is_not_played_again(monkeypatch):
    monkeypatch.setattr(recording, "_MOST_ACTIONS", 4)
    for played, lines in ((4, 0), (5, 1)):
        stopped, other = stopped_and_other("Walk-v0", played=played)
        assert len(set_state(other, round_trip(get_state(stopped)))) == lines


def test_a_monitor_that_forbids_early_resets_allows_this_one():
    def make():
        return DummyVecEnv([lambda: Monitor(Shy(), allow_early_resets=False)])

    stopped, other = make(), make()
    stopped.reset()
    other.reset()
    assert len(set_state(other, round_trip(get_state(stopped)))) == 1
    other.step(np.array([0]))


@pytest.mark.parametrize("seeds", [(None, 3), (3, None)])
def test_an_env_that_has_drawn_nothing_yet(seeds):
    made = [DummyVecEnv([lambda: make_env("MiniGrid-Empty-5x5-v0")]) for _ in seeds]
    for vec_env, seed in zip(made, seeds, strict=True):
        if seed is not None:
            vec_env.seed(seed)
        vec_env.action_space.seed(0)
        vec_env.reset()
    lines, _ = assert_goes_on(*made, steps=30)
    assert lines == []


def test_a_recording_changes_nothing():
    plain, recorded = gym.make("FrozenLake-v1"), Recorded(gym.make("FrozenLake-v1"))
    assert_same(recorded.reset(seed=3), plain.reset(seed=3))
    for _ in range(50):
        ours, expected = recorded.step(2), plain.step(2)
        assert_same(ours, expected)
        if ours[2] or ours[3]:
            assert_same(recorded.reset(), plain.reset())
    assert recorded.unwrapped.np_random.random() == plain.unwrapped.np_random.random()


def test_actions_that_the_caller_changes_afterwards_are_kept():
    env = Recorded(gym.make("Pendulum-v1"))
    env.reset(seed=1)
    action = np.array([0.3], dtype=np.float32)
    env.step(action)
    action[:] = 9
    np.testing.assert_array_equal(env.recording()["actions"], np.array([[0.3]], dtype=np.float32))


def test_envs_of_a_script_are_recorded_once():
    env = adapt_env(gym.make("FrozenLake-v1"))
    assert sum(isinstance(layer, Recorded) for layer in layers(env)) == 1
    again = adapt_env(env)
    assert sum(isinstance(layer, Recorded) for layer in layers(again)) == 1
    assert not any(isinstance(layer, Recorded) for layer in layers(make_env("CartPole-v1")))
    stopped, other = (DummyVecEnv([lambda: adapt_env(gym.make("Walk-v0"))]) for _ in range(2))
    stopped.reset()
    stopped.action_space.seed(3)
    lines, _ = assert_goes_on(stopped, other, steps=20)
    assert lines == []
