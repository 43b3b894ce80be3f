"""Batched mazes: with every view, wrapper and number of actions, played to all ends, and what is left to others."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from grid_probes import CARRIED_ELSEWHERE
from side_by_side import action_towards_a_choice, assert_same_play, assert_same_step, both
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import make_env, make_vec_env
from engram.envs.batched.grid import GridVecEnv
from engram.envs.split.by_layout import SplitByLayout
from engram.envs.tasks.mazes.match import Match

ALL_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
FORWARD = (0.15, 0.15, 0.7)


class Hurried(Match):
    """A task that pays every step: it says nothing about where."""

    def _judge(self):
        reward, success = super()._judge()
        return reward - 0.01, success


gym.register("Hurried-v0", Hurried)
gym.register("MatchWithALimit-v0", Match, max_episode_steps=9)


@pytest.mark.parametrize(
    ("env_id", "odometry", "kwargs"),
    [
        ("Engram-MatchS9-v0", False, {}),
        ("Engram-RoomS11-v0", False, {"size": (10, 14)}),
        ("Engram-MazeMatch-S9-v0", False, {"size": (9, 13)}),
        ("Engram-MazeSequence-S13-v0", True, {"size": (13, 17), "cues": (1, 3)}),
        ("Engram-MazeReturn-S9-v0", False, {}),
        ("Engram-MazeReturn-S9-v0", True, {}),  # which carries the agent to the start
        ("Engram-MazeReturn-S9-v0", True, {"size": (6, 9), "trips": 5, "strict": True}),  # ends between judged cells
        (CARRIED_ELSEWHERE, True, {}),
        ("MiniGrid-MemoryS13Random-v0", True, {}),
    ],
)
def test_a_player_that_goes_where_it_is_judged_meets_the_same(env_id, odometry, kwargs):
    ours, definition = both(env_id, n_envs=3, seed=1, odometry=odometry, kwargs=kwargs)
    assert isinstance(ours, GridVecEnv)
    rng, ends = np.random.default_rng(0), set()
    assert_same_step(ours.reset(), definition.reset())
    for time in range(900):
        actions = []
        for env, other in zip(ours.envs if time % 7 == 0 else definition.envs, definition.envs, strict=True):
            bare, expected = env.unwrapped, other.unwrapped
            assert (tuple(bare.agent_pos), bare.agent_dir) == (tuple(expected.agent_pos), expected.agent_dir)
            assert bare.step_count == expected.step_count
            actions.append(int(rng.integers(3)) if rng.random() < 0.1 else action_towards_a_choice(env))
        (*_, infos) = assert_same_step(ours.step(np.array(actions)), definition.step(np.array(actions)))
        ends |= {info["is_success"] for info in infos if "is_success" in info}
    assert ends == {True, False}
    for one, other in zip(ours.envs, definition.envs, strict=True):
        assert one.get_episode_rewards() == other.get_episode_rewards()
        assert one.get_episode_lengths() == other.get_episode_lengths()
        assert one.get_total_steps() == other.get_total_steps()


@pytest.mark.parametrize("view_size", [3, 5, 7, 9])
@pytest.mark.parametrize("env_id", ["Engram-MazeReturn-S13-v0", "MiniGrid-MemoryS13Random-v0"])
def test_every_view_and_all_actions(env_id, view_size):
    ours, definition = both(env_id, view_size=view_size, useful_actions=ALL_ACTIONS, split="train")
    assert type(ours) is GridVecEnv
    assert_same_play(ours, definition, 700, chances=(0.1, 0.1, 0.5, 0.1, 0.1, 0.05, 0.05))


@pytest.mark.parametrize(
    "arguments",
    [
        {"split": "test"},
        {"monitor": False},
        {"n_envs": 1},
        {"random_actions": 0.2},
        {"kwargs": {"max_steps": 40}},
        {"random_actions": 0.1, "split": "validation", "kwargs": {"max_steps": 60}},
        {"random_actions": 0.1, "odometry": True},
    ],
)
@pytest.mark.parametrize("env_id", ["Engram-RoomS11-v0", "MiniGrid-MemoryS7-v0"])
def test_every_wrapper(env_id, arguments):
    ours, definition = both(env_id, **arguments)
    assert type(ours) is GridVecEnv
    assert len(assert_same_play(ours, definition, 900, chances=FORWARD)) >= 2


def test_an_episode_cut_at_its_last_step_ends_as_judged_there():
    # Seven steps are the shortest solution of some mazes: success and the time limit come together.
    ours, definition = both("MiniGrid-MemoryS7-v0", n_envs=7, kwargs={"max_steps": 7})
    ends = assert_same_play(ours, definition, 3000, chances=(0.1, 0.2, 0.7))
    assert len(ends) == 3


def test_who_asks_for_the_envs_finds_them_where_they_stand():
    ours, definition = both("Engram-MatchS9-v0", n_envs=3, seed=4)
    for vec_env in (ours, definition):
        vec_env.reset()
    for actions in np.random.default_rng(0).integers(3, size=(40, 3)):
        for vec_env in (ours, definition):
            vec_env.step(actions)
    for name in ("agent_pos", "agent_dir", "step_count", "layouts_seen"):
        assert ours.get_attr(name) == definition.get_attr(name)
    assert ours.env_method("shortest_solution", indices=[1]) == definition.env_method("shortest_solution", indices=1)
    frames = [vec_env.envs[2].unwrapped.get_frame(highlight=True, tile_size=8) for vec_env in (ours, definition)]
    np.testing.assert_array_equal(*frames)
    # Looking changes nothing.
    assert_same_step(ours.step(actions), definition.step(actions))


def test_seeds_may_be_dealt_between_resets():
    ours, definition = both("Engram-RoomS11-v0", n_envs=2, split="test", kwargs={"max_steps": 20})
    for vec_env in (ours, definition):
        vec_env.reset()
        for env in vec_env.envs:
            layer = env
            while not isinstance(layer, SplitByLayout):
                layer = layer.env
            layer.queue_seeds([3, 5, 8, 13])
    for actions in np.random.default_rng(0).integers(3, size=(90, 2)):
        assert_same_step(ours.step(actions), definition.step(actions))
    assert ours.reset_infos == definition.reset_infos


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("Hurried-v0", {}),
        ("MatchWithALimit-v0", {}),
        ("Engram-MatchS9-v0", {"pixels": 8}),
        ("Engram-MatchS9-v0", {"pixels": 8, "odometry": True}),
        ("Engram-MatchS9-v0", {"previous_reward": True}),
        ("Engram-MazeReturn-S13-v0", {"view_size": 11}),
        ("MiniGrid-DoorKey-5x5-v0", {}),
        ("MiniGrid-Empty-5x5-v0", {}),
    ],
)
def test_what_it_does_not_know_steps_one_by_one(env_id, arguments):
    assert type(make_vec_env(env_id, **arguments)) is DummyVecEnv


def test_envs_that_it_cannot_step_are_refused():
    def vec(*env_ids, **arguments):
        envs = [make_vec_env(env_id, **arguments).envs[0] for env_id in env_ids]
        return GridVecEnv([lambda env=env: env for env in envs])

    with pytest.raises(ValueError, match="GridVecEnv cannot step these envs: use DummyVecEnv"):
        vec("Engram-MatchS9-v0", "MiniGrid-Empty-5x5-v0")
    with pytest.raises(ValueError, match="mazes of different sizes"):
        vec("Engram-MatchS9-v0", "Engram-MatchS13-v0")
    with pytest.raises(ValueError, match=r"\(1 of 2 with odometry\)"):
        GridVecEnv([partial(make_env, "Engram-MatchS9-v0", odometry=odometry) for odometry in (False, True)])


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(gym.error.ResetNeeded):
        make_vec_env("Engram-RoomS11-v0", monitor=False).step(np.array([0]))
