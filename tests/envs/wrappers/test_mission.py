"""Missions are seen where they change from episode to episode, and nowhere else."""

import gymnasium as gym
import numpy as np
import pytest
from minigrid.core.mission import MissionSpace
from minigrid.envs.empty import EmptyEnv

from engram.envs import make_env, make_vec_env
from engram.envs.wrappers.mission import words_of_missions
from engram.envs.wrappers.words import number_of, words_of


class Errand(EmptyEnv):
    """Its mission is drawn, whatever its space says."""

    missions = ("go left", "go right to the end", "stay where you are")

    def _gen_grid(self, width, height):
        super()._gen_grid(width, height)
        self.mission = self.missions[self.np_random.integers(len(self.missions))]


class Fixed(Errand):
    missions = ("stay",)


class SaysSo(Errand):
    mission_changes = False


def words(mission, length):
    numbers = [number_of(word) for word in words_of(mission)]
    return np.array(numbers + [0] * (length - len(numbers)))


@pytest.mark.parametrize(
    ("env_id", "length"),
    [
        ("BabyAI-GoToLocal-v0", 72),
        ("BabyAI-BossLevel-v0", 72),
        ("MiniGrid-GoToDoor-5x5-v0", 5),
        ("MiniGrid-Fetch-5x5-N2-v0", 6),
        ("MiniGrid-PutNear-6x6-N2-v0", 8),
    ],
)
def test_the_agent_sees_what_the_env_asks_for(env_id, length):
    env, seen = make_env(env_id, seed=3), set()
    for _ in range(5):
        observation, _ = env.reset()
        for _ in range(3):
            assert env.observation_space.contains(observation)
            np.testing.assert_array_equal(observation["mission"], words(env.unwrapped.mission, length))
            observation = env.step(env.action_space.sample())[0]
        seen.add(env.unwrapped.mission)
    assert len(seen) > 1
    assert env.observation_space["mission"].constant_over_episode


@pytest.mark.parametrize("more", [{}, {"odometry": True}, {"pixels": 8}])
def test_a_hidden_mission_leaves_all_else_as_it_was(more):
    shown, hidden = (make_env("BabyAI-GoToLocal-v0", seed=3, mission=mission, **more) for mission in (True, False))
    for _ in range(7):
        (full, _), (rest, _) = shown.reset(), hidden.reset()
        assert "mission" in full
        rest = rest if isinstance(rest, dict) else {"image": rest}
        assert set(rest) == set(full) - {"mission"}
        for key, value in rest.items():
            np.testing.assert_array_equal(value, full[key])
        assert shown.unwrapped.mission == hidden.unwrapped.mission
    if not more:
        assert isinstance(hidden.observation_space, gym.spaces.Box)


def test_only_minigrid_has_a_mission_to_hide():
    with pytest.raises(ValueError, match=r"^Engram-TMaze-v0: mission is for MiniGrid environments only$"):
        make_env("Engram-TMaze-v0", mission=False)
    with pytest.raises(ValueError, match=r"^Engram-RoomS11-v0: mission=false hides what is not shown: its mission nev"):
        make_env("Engram-RoomS11-v0", mission=False)
    with pytest.raises(ValueError, match=r"^mission='no' must be true or false$"):
        make_env("BabyAI-GoToLocal-v0", mission="no")


@pytest.mark.parametrize(
    "env_id",
    ["MiniGrid-MemoryS9-v0", "MiniGrid-ObstructedMaze-1Dl-v0", "BabyAI-GoToRedBallGrey-v0", "Engram-RoomS11-v0"],
)
def test_a_mission_that_never_changes_is_left_out(env_id):
    assert isinstance(make_env(env_id).observation_space, gym.spaces.Box)


def test_envs_of_others_are_tried_out_or_say_so_themselves():
    assert words_of_missions(Errand()).length == 5
    assert words_of_missions(Fixed()) is None
    assert words_of_missions(SaysSo()) is None


def test_to_try_them_out_leaves_their_random_numbers_alone():
    def places(look):
        env = Errand()
        env.reset(seed=11)
        if look:
            words_of_missions(env)
        missions = []
        for _ in range(9):
            env.reset()
            missions.append(env.mission)
        return missions

    assert places(True) == places(False)


def test_a_longer_mission_than_announced_is_cut_with_a_warning():
    env = make_env("MiniGrid-GoToDoor-5x5-v0", seed=0)
    env.unwrapped.mission = "go to the door that is red"
    with pytest.warns(UserWarning, match="^the mission has 7 words, of which only the first 5 are seen"):
        observation, *_ = env.step(0)
    assert env.observation_space.contains(observation)


def test_the_longest_placeholders_count():
    class Asks(Errand):
        def __init__(self):
            super().__init__()
            space = MissionSpace(lambda where: f"go {where}", [["left", "on and on and on to the end of the hallway"]])
            self.observation_space = gym.spaces.Dict({**self.observation_space.spaces, "mission": space})

    assert words_of_missions(Asks()).length == 12


def test_pixels_come_with_missions_too():
    env = make_env("MiniGrid-GoToDoor-5x5-v0", pixels=8)
    assert env.observation_space["image"].shape == (56, 56, 3)
    assert env.observation_space.contains(env.reset(seed=0)[0])


def test_babyai_keeps_quiet_about_mazes_that_it_rejects(capfd):
    vec_env = make_vec_env("BabyAI-GoToImpUnlock-v0", n_envs=4, seed=0, split="train")
    for _ in range(5):
        vec_env.reset()
    assert capfd.readouterr().out == ""
