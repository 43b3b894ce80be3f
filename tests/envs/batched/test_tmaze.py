import pickle
import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import side_by_side
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import distinct_layouts, make_env, make_vec_env
from engram.envs.batched.tmaze import TMazeVecEnv
from engram.envs.tasks.tmaze.env import DOWN, FORWARD, UP

VARIANTS = {
    "passive": {"delay": (2, 6)},
    "random cue": {"delay": (2, 6), "cue_at": "random"},
    "active": {"delay": (4, 9), "active": True, "offset": (1, 3)},
    "penalty": {"delay": (3, 8), "penalty": 0.7},
    "shorter ones by their logarithm": {"delay": (6, 6), "shorter_from": 2},
    "noise": {"delay": (2, 6), "noise": 3},
    "false cues": {"delay": (2, 6), "distractors": 2},
    "active, noise, a share of false cues": {"delay": (4, 9), "active": True, "noise": 1, "distractors": 0.4},
    "active, penalty": {"delay": (4, 9), "active": True, "penalty": 1.0},
}


CHANCES = (0.7, 0.1, 0.1, 0.1)


def both(n_envs=7, seed=0, split=None, kwargs=None, monitor=True):
    """Make the vectorized T-Mazes and their definition."""
    pair = side_by_side.both("Engram-TMaze-v0", n_envs, seed, split=split, kwargs=kwargs, monitor=monitor)
    assert type(pair[0]) is TMazeVecEnv
    return pair


def assert_same_play(ours, definition, steps, seed=0, chances=CHANCES):
    return side_by_side.assert_same_play(ours, definition, steps, seed, chances)


@pytest.mark.parametrize("split", ["train", "validation", "test", None])
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_returns_what_its_definition_returns(variant, split):
    if split is not None:
        # Enough delays for every side to have some.
        kwargs = {**VARIANTS[variant], "delay": (4, 23)}
        assert_same_play(*both(split=split, kwargs=kwargs), steps=2000, chances=(0.9, 0.02, 0.02, 0.06))
    else:
        ends = assert_same_play(*both(kwargs=VARIANTS[variant]), steps=2000)
        assert ends == {(True, False), (False, False), (False, True)}


@pytest.mark.parametrize("monitor", [True, False])
@pytest.mark.parametrize("n_envs", [1, 7])
@pytest.mark.parametrize("seed", [3, 40])
def test_number_seed_and_monitor_make_no_difference_to_that(seed, n_envs, monitor):
    pair = both(n_envs, seed, kwargs=VARIANTS["active, penalty"], monitor=monitor)
    assert_same_play(*pair, steps=2000, seed=seed)
    # A reset in the middle of episodes, with another seed and then without one.
    for vec_env in pair:
        vec_env.seed(seed + 1)
    assert_same_play(*pair, steps=50)
    assert_same_play(*pair, steps=50)


def test_a_return_of_many_penalties_is_the_same_to_the_last_digit():
    # 640 penalties of 1/640: many of their sums lie halfway between two numbers of six digits.
    pair = both(kwargs={"delay": (319, 319), "penalty": 1.0})
    assert assert_same_play(*pair, steps=2000, chances=(0.2, 0.3, 0.3, 0.2)) == {(False, True)}


def test_a_long_corridor_draws_its_noise_in_the_same_order():
    # More steps than noise is drawn at once for.
    pair = both(kwargs={"delay": (1500, 1700), "noise": 2, "distractors": 0.05})
    assert_same_play(*pair, steps=4000, chances=(0.97, 0.01, 0.01, 0.01))


def test_what_is_returned_is_the_callers_to_change():
    ours, definition = both(kwargs=VARIANTS["passive"])
    ours.reset()[:] = 7
    definition.reset()
    rng = np.random.default_rng(1)
    for _ in range(200):
        actions = rng.choice(4, 7, p=(0.7, 0.1, 0.1, 0.1))
        observations, rewards, dones, infos = ours.step(actions)
        expected, expected_rewards, expected_dones, expected_infos = definition.step(actions)
        side_by_side.assert_same_arrays(observations, expected)
        side_by_side.assert_same_arrays(rewards, expected_rewards)
        side_by_side.assert_same_arrays(dones, expected_dones)
        assert list(map(side_by_side.comparable, infos)) == list(map(side_by_side.comparable, expected_infos))
        for array in (observations, rewards, dones, *(info.get("terminal_observation") for info in infos)):
            if array is not None:
                array[:] = 1
        for info in infos:
            info.clear()


class Walker:
    """Walks to the junction and goes up, or down if the cue says so just then."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.where(observation[:, 3] == 0, FORWARD, np.where(observation[:, 1] == 1, DOWN, UP)), state


def test_evaluate_policy_finds_the_same_without_a_warning():
    found = []
    for vec_env in both(split="test"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found.append(evaluate_policy(Walker(), vec_env, n_eval_episodes=40, return_episode_rewards=True))
    assert found[0] == found[1]
    assert 0 < sum(found[0][0]) < 40


def test_what_holds_over_an_episode_can_be_asked_for():
    ours, definition = both(split="train", kwargs={"delay": (5, 30)})
    assert_same_play(ours, definition, steps=300)
    for name in ("layouts_seen", "episodes_begun", "render_mode", "delay", "offset"):
        assert ours.get_attr(name) == definition.get_attr(name)
    assert ours.get_attr("delay", indices=[2, 5]) == definition.get_attr("delay", indices=[2, 5])
    assert distinct_layouts(ours) == distinct_layouts(definition) > 1
    for name in ("shortest_solution", "layout_key", "get_wrapper_attr"):
        arguments = ("side",) if name == "get_wrapper_attr" else ()
        assert ours.env_method(name, *arguments) == definition.env_method(name, *arguments)
    assert not ours.has_attr("action_masks")
    assert ours.env_is_wrapped(Monitor) == [True] * 7
    assert both(monitor=False)[0].env_is_wrapped(Monitor) == [False] * 7


def test_it_goes_on_alike_after_pickling():
    ours, definition = both(kwargs=VARIANTS["random cue"])
    assert_same_play(ours, definition, steps=100)
    again = pickle.loads(pickle.dumps(ours))
    for _ in range(100):
        actions = np.zeros(7, dtype=int)
        for one, other in zip(again.step(actions)[:3], definition.step(actions)[:3], strict=True):
            side_by_side.assert_same_arrays(one, other)


@pytest.mark.parametrize(("monitor", "error"), [(True, RuntimeError), (False, gym.error.ResetNeeded)])
def test_a_step_before_the_first_reset_is_refused(monitor, error):
    for vec_env in both(monitor=monitor):
        with pytest.raises(error):
            vec_env.step(np.zeros(7, dtype=int))


def test_actions_may_have_an_axis_of_length_one_but_must_be_one_for_each_env():
    ours, definition = both()
    for vec_env in (ours, definition):
        vec_env.reset()
    for action in (FORWARD, UP):
        actions = np.full((7, 1), action)
        for one, other in zip(ours.step(actions)[:3], definition.step(actions)[:3], strict=True):
            side_by_side.assert_same_arrays(one, other)
    with pytest.raises(ValueError, match="cannot reshape array of size 1"):
        ours.step(np.zeros(1, dtype=int))


def test_the_factory_takes_it_for_all_that_it_covers_and_nothing_else():
    gym.register("TMazeWithALimit-v0", entry_point="engram.envs.tasks.tmaze.env:TMaze", max_episode_steps=9)

    def kind(env_id="Engram-TMaze-v0", **arguments):
        return type(make_vec_env(env_id, n_envs=2, **arguments))

    for env_id in ("Engram-TMaze-v0", "Engram-TMazeActive-v0", "Engram-TMazeLong-v0"):
        assert kind(env_id) is TMazeVecEnv
    for arguments in ({"split": "test"}, {"monitor": False}, {"kwargs": {"cue_at": "random"}}, {"module": "math"}):
        assert kind(**arguments) is TMazeVecEnv
    for arguments in ({"kwargs": {"noise": 1}}, {"kwargs": {"distractors": 1}}):
        assert kind(**arguments) is TMazeVecEnv
    for arguments in (
        {"random_actions": 0.1},
        {"previous_reward": True},
        {"env_id": "TMazeWithALimit-v0"},
        {"env_id": "CartPole-v1"},
    ):
        assert kind(**arguments) is DummyVecEnv


def test_envs_that_it_cannot_step_are_refused():
    with pytest.raises(ValueError, match="TMazeVecEnv is for T-Mazes without wrappers of other kinds: use"):
        TMazeVecEnv([partial(make_env, "Engram-TMaze-v0", previous_reward=True)])
    for one, other in (({"noise": 2}, {"distractors": 1}), ({"noise": 1, "distractors": 1}, {"noise": 3})):
        with pytest.raises(ValueError, match="T-Mazes that show the same channels: use DummyVecEnv"):
            TMazeVecEnv([partial(make_env, "Engram-TMaze-v0", kwargs=kwargs) for kwargs in (one, other)])
