"""Envs that are given the state of others go on bit for bit as these: the episode, and all that follow it."""

import importlib.util

import gymnasium as gym
import numpy as np
import pytest
from mid_episode import assert_goes_on, play, round_trip
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import make_env, make_vec_env
from engram.envs.split.balanced_episodes import queue_seeds
from engram.envs.state import get_state, set_state

OURS = [env_id for env_id in gym.registry if env_id.startswith("Engram-")]
OTHERS = [
    "MiniGrid-MemoryS13Random-v0",
    "MiniGrid-DoorKey-6x6-v0",
    "MiniGrid-MultiRoom-N2-S4-v0",
    "MiniGrid-LockedRoom-v0",
    "MiniGrid-Dynamic-Obstacles-6x6-v0",
    "MiniGrid-ObstructedMaze-1Dlhb-v0",
    "MiniGrid-Fetch-5x5-N2-v0",
    "BabyAI-GoToLocal-v0",
    "BabyAI-PutNextLocal-v0",
    "BabyAI-SynthSeq-v0",
    "BabyAI-PickupLoc-v0",
    "BabyAI-Open-v0",
    "CartPole-v1",
    "Pendulum-v1",
    "Acrobot-v1",
    "MountainCarContinuous-v0",
]
REPLAYED = ["FrozenLake-v1", "Taxi-v4", "Blackjack-v1"]
POPGYM = [
    "popgym-RepeatPreviousEasy-v0",
    "popgym-AutoencodeEasy-v0",
    "popgym-ConcentrationEasy-v0",
    "popgym-MineSweeperEasy-v0",
    "popgym-NoisyPositionOnlyCartPoleEasy-v0",
    "popgym-BattleshipEasy-v0",
]
WITHOUT_POPGYM = pytest.mark.skipif(importlib.util.find_spec("popgym") is None, reason="needs popgym")
N_ENVS = 3


def stopped_and_other(env_id, played=29, **arguments):
    """Make envs and play a while with them, and others with another seed."""
    stopped, other = (make_vec_env(env_id, n_envs=N_ENVS, seed=seed, **arguments) for seed in (1, 71))
    rng = np.random.default_rng(5)
    for vec_env, steps in ((stopped, played), (other, 7)):
        vec_env.action_space.seed(steps)
        vec_env.reset()
        play(vec_env, steps, rng)
    return stopped, other


@pytest.mark.parametrize("env_id", [*OURS, *OTHERS, *REPLAYED])
def test_envs_go_on_as_others_would_have(env_id):
    split = "train" if env_id.startswith("Engram-") else None
    lines, _ = assert_goes_on(*stopped_and_other(env_id, split=split), steps=211)
    assert lines == []


@WITHOUT_POPGYM
@pytest.mark.parametrize("env_id", POPGYM)
def test_envs_of_popgym_are_played_again(env_id):
    # What a reset has told goes on changing in some of them, and not in a copy.
    envs = stopped_and_other(env_id, module="popgym", split="train", played=17)
    lines, ended = assert_goes_on(*envs, steps=160, reset_infos=False)
    assert lines == []
    assert ended


@pytest.mark.parametrize("env_id", ["Engram-MazeReturn-S9-v0", "Engram-Binding-v0", "MiniGrid-MemoryS9-v0"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"random_actions": 0.2, "split": "train"},
        {"previous_reward": True, "random_actions": 0.3},
        {"monitor": False, "split": "validation"},
    ],
)
def test_with_every_wrapper(env_id, arguments):
    kwargs = {} if "Binding" in env_id else {"max_steps": 53}
    lines, ended = assert_goes_on(*stopped_and_other(env_id, kwargs=kwargs, **arguments), steps=251)
    assert lines == []
    assert ended > N_ENVS


def test_envs_in_processes_of_their_own():
    arguments = {"subprocess": True, "split": "train", "random_actions": 0.1, "kwargs": {"max_steps": 19}}
    lines, ended = assert_goes_on(*stopped_and_other("Engram-MatchS9-v0", **arguments), steps=83)
    assert lines == []
    assert ended > N_ENVS


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("Engram-MazeReturn-S9-v0", {"odometry": True, "kwargs": {"strict": True, "trips": 4, "size": (6, 9)}}),
        ("Engram-MazeMatch-S9-v0", {"pixels": 6, "odometry": True, "kwargs": {"max_steps": 47}}),
        ("MiniGrid-DoorKey-5x5-v0", {"odometry": True, "view_size": 5, "kwargs": {"max_steps": 47}}),
        ("BabyAI-GoToLocal-v0", {"pixels": 5, "kwargs": {"max_steps": 47}}),
        ("Engram-MazeSequence-S13-v0", {"kwargs": {"cues": (1, 3), "size": (13, 15)}}),
        ("Engram-TMaze-v0", {"kwargs": {"noise": 2, "distractors": 0.3, "delay": (2, 9)}}),
        ("Engram-TMazeActive-v0", {"kwargs": {"penalty": 1.0, "delay": (4, 9)}, "previous_reward": True}),
        ("Engram-Binding-v0", {"kwargs": {"cues": (1, 5), "lone": (0, 4), "delay": (0, 3)}}),
        ("CartPole-v1", {"split": "validation", "random_actions": 0.2}),
    ],
)
def test_with_every_view_and_argument(env_id, arguments):
    lines, ended = assert_goes_on(*stopped_and_other(env_id, **arguments), steps=307)
    assert lines == []
    assert ended


@pytest.mark.parametrize("env_id", ["Engram-MatchS9-v0", "Engram-Chain2-v0", "Engram-TMaze-v0", "CartPole-v1"])
def test_freshly_made_envs_are_enough(env_id):
    stopped, _ = stopped_and_other(env_id, played=41)
    fresh = make_vec_env(env_id, n_envs=N_ENVS, seed=23)
    fresh.action_space.seed(1)
    lines, _ = assert_goes_on(stopped, fresh, steps=97)
    assert lines == []


def test_at_every_step_of_an_episode():
    stopped, other = stopped_and_other("Engram-Counting-v0", played=0)
    for step in range(70):
        lines, _ = assert_goes_on(stopped, other, steps=1, seed=step)
        assert lines == []


def test_the_state_of_a_restored_env_is_the_state_it_was_given():
    for env_id, arguments in (("Engram-MazeMatch-S9-v0", {}), ("FrozenLake-v1", {}), ("BabyAI-Open-v0", {})):
        stopped, other = stopped_and_other(env_id, **arguments)
        set_state(other, round_trip(get_state(stopped)))
        assert repr(get_state(other)["envs"]["inside"]) == repr(get_state(stopped)["envs"]["inside"])


def test_seeds_that_wait_for_their_episodes_still_do():
    stopped, other = stopped_and_other("Engram-RoomS11-v0", split="train", kwargs={"max_steps": 13})
    queue_seeds(stopped, [[3, 5, 8], [], [2]])
    play(stopped, 9, np.random.default_rng(0))
    lines, ended = assert_goes_on(stopped, other, steps=60)
    assert lines == []
    assert ended > 3 * N_ENVS


def test_a_seed_that_waits_for_the_next_reset_still_does():
    stopped, other = stopped_and_other("CartPole-v1")
    stopped.seed(99)
    other.seed(7)
    set_state(other, round_trip(get_state(stopped)))
    np.testing.assert_array_equal(other.reset(), stopped.reset())


def test_monitors_keep_the_sums_of_all_episodes():
    stopped, other = stopped_and_other("Engram-RepeatPreviousEasy-v0", played=130)
    assert_goes_on(stopped, other, steps=75)
    for one, expected in zip(other.envs, stopped.envs, strict=True):
        assert one.get_episode_rewards() == expected.get_episode_rewards() != []
        assert one.get_total_steps() == expected.get_total_steps()


def test_what_is_carried_is_still_the_thing_of_the_mission():
    env = DummyVecEnv([lambda: make_env("BabyAI-PickupLoc-v0", seed=0)])
    env.reset()
    bare = env.envs[0].unwrapped
    thing = bare.instrs.desc.obj_set[0]
    bare.grid.set(*thing.cur_pos, None)
    bare.carrying = thing
    other = DummyVecEnv([lambda: make_env("BabyAI-PickupLoc-v0", seed=1)])
    set_state(other, round_trip(get_state(env)))
    restored = other.envs[0].unwrapped
    assert restored.carrying is restored.instrs.desc.obj_set[0]
    assert restored.instrs.env is restored
    rooms = [room for row in restored.room_grid for room in row]
    assert any(restored.carrying in room.objs for room in rooms)
    for room in rooms:
        assert all(thing is restored.carrying or thing in restored.grid.grid for thing in room.objs)
