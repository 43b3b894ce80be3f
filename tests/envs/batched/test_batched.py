"""What holds for every batched task: a new one is tested by being registered."""

import gymnasium as gym
import pytest
from minigrid.minigrid_env import MiniGridEnv
from side_by_side import assert_same_play, both
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import make_env, make_vec_env
from engram.envs.batched.grid import GridVecEnv

IDS = [env_id for env_id in gym.registry if env_id.startswith(("Engram-", "MiniGrid-Memory"))]
BATCHED = [env_id for env_id in IDS if type(make_vec_env(env_id)) is not DummyVecEnv]


def chances(env_id):
    """Mostly forward in mazes, so that episodes end in all ways."""
    actions = int(make_vec_env(env_id).action_space.n)
    if "Maze" in env_id or "Match" in env_id or "Room" in env_id or "Memory" in env_id:
        forward = 0 if "TMaze" in env_id else 2
        return [0.7 if action == forward else 0.3 / (actions - 1) for action in range(actions)]
    return None


def test_all_tasks_but_those_of_control_are_batched():
    assert {env_id for env_id in IDS if env_id not in BATCHED} == {
        "Engram-PositionCartPole-v0",
        "Engram-PositionPendulum-v0",
    }


MAZES = [env_id for env_id in BATCHED if isinstance(make_env(env_id).unwrapped, MiniGridEnv)]


@pytest.mark.parametrize("env_id", MAZES)
def test_it_feels_its_steps_as_its_definition_does(env_id):
    ours, definition = both(env_id, n_envs=3, seed=5, odometry=True)
    assert type(ours) is GridVecEnv
    assert set(ours.observation_space) == {"image", "odometry"}
    assert_same_play(ours, definition, 100 if "S51" in env_id else 500, chances=chances(env_id))


@pytest.mark.parametrize("env_id", BATCHED)
def test_it_returns_what_its_definition_returns(env_id):
    ours, definition = both(env_id, n_envs=3, seed=5)
    steps = 200 if "S51" in env_id else 1000
    assert_same_play(ours, definition, steps, chances=chances(env_id))
    # A reset in the middle of episodes.
    for vec_env in (ours, definition):
        vec_env.seed(11)
    assert_same_play(ours, definition, 50)
    assert_same_play(ours, definition, 50)
