"""Every id that MiniGrid registers runs as it is, and shows what MiniGrid itself would show, with its mission."""

import re

import gymnasium as gym
import numpy as np
import pytest

from engram.agents.spaces import check_spaces
from engram.envs import make_env, make_vec_env
from engram.envs.wrappers.words import number_of, words_of

IDS = [env_id for env_id, spec in gym.registry.items() if str(spec.entry_point).startswith("minigrid.")]
# Wheels of MiniGrid leave out the pictures that these are drawn after.
BROKEN = [
    "MiniGrid-WFC-DungeonMazeScaled-v0",
    "MiniGrid-WFC-MazeSimple-v0",
    "MiniGrid-WFC-ObstaclesAngular-v0",
    "MiniGrid-WFC-ObstaclesBlackdots-v0",
    "MiniGrid-WFC-ObstaclesHogs3-v0",
    "MiniGrid-WFC-RoomsFabric-v0",
]


# The missions of these never change.
WITHOUT_MISSION = re.compile(
    r"BabyAI-(BlockedUnlock|GoToRedBall(Grey|NoDists)|KeyCorridor|KeyInBox|OneRoom|OpenRed|UnlockLocal|UnlockToUnlock)"
    r"|MiniGrid-(Crossing|DistShift|DoorKey|Dynamic|Empty|FourRooms|Lava|Memory|MultiRoom|Obstructed"
    r"|Playground|RedBlue|Simple|Unlock-)"
)


def shown_by(observation):
    """What is to be seen, as MiniGrid's own observation has it."""
    mission = np.array([number_of(word) for word in words_of(observation["mission"])])
    return observation["image"], mission


def assert_shown(observation, expected, env_id):
    image, mission = expected
    if WITHOUT_MISSION.match(env_id):
        np.testing.assert_array_equal(observation, image)
    else:
        np.testing.assert_array_equal(observation["image"], image)
        np.testing.assert_array_equal(observation["mission"][observation["mission"] > 0], mission)


def test_there_are_as_many_as_ever():
    assert len(IDS) >= 170
    assert set(BROKEN) <= set(IDS)


@pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
@pytest.mark.parametrize("env_id", sorted(set(IDS) - set(BROKEN)))
def test_it_runs_and_shows_what_minigrid_shows(env_id):
    env, own = make_env(env_id, seed=0), gym.make(env_id, disable_env_checker=True)
    check_spaces(env.observation_space, env.action_space)
    observation, _ = env.reset(seed=1)
    shown, _ = own.reset(seed=1)
    for _ in range(20):
        assert_shown(observation, shown_by(shown), env_id)
        assert env.observation_space.contains(observation)
        action = env.action_space.sample()
        observation, *outcome, info = env.step(action)
        shown, *expected, _ = own.step(action)
        assert outcome == expected
        assert ("is_success" in info) == any(expected[1:])
        if any(expected[1:]):
            assert_shown(observation, shown_by(shown), env_id)
            observation, _ = env.reset()
            shown, _ = own.reset()


@pytest.mark.parametrize("env_id", BROKEN)
def test_what_lacks_a_file_is_refused_in_one_line(env_id):
    with pytest.raises(ValueError, match=rf"{env_id} cannot be played: the installed minigrid lacks .*\.png$"):
        make_vec_env(env_id)
