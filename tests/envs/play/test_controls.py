import gymnasium as gym
import pytest

from engram.envs.factory import make_env
from engram.envs.play.controls import Command, Controls, has_keys


def commands(env_id, keys, at_terminal, **arguments):
    return list(Controls(make_env(env_id, **arguments), at_terminal).commands(keys))


def test_letters_from_a_pipe():
    assert commands("Engram-RoomS11-v0", "uflr0n1q2", False) == [2, 2, 0, 1, 0, Command.NEW, 1, Command.QUIT, 2]
    assert commands("Engram-TMaze-v0", "fudb3", False) == [0, 1, 2, 3, 3]
    assert commands("Engram-Counting-v0", "0r4", False) == [0, Command.NEW, 4]


def test_arrows_at_a_terminal_where_r_is_a_new_episode():
    keys = ["left", "right", "up", "r", "0", "q"]
    assert commands("Engram-RoomS11-v0", keys, True) == [0, 1, 2, Command.NEW, 0, Command.QUIT]
    assert commands("Engram-TMaze-v0", ["right", "up", "down", "left", "r"], True) == [0, 1, 2, 3, Command.NEW]


def test_keys_without_a_meaning_are_left_out():
    assert commands("Engram-RoomS11-v0", ["x", "3", "down", "l", "u", "t"], True) == []
    assert commands("Engram-Counting-v0", "u5l", False) == []


def test_actions_are_numbered_as_the_task_numbers_them():
    env_id, actions = "MiniGrid-DoorKey-8x8-v0", ["toggle", "forward", "pickup", "left"]
    assert commands(env_id, "tfplr0", False, useful_actions=actions) == [0, 1, 2, 3, Command.NEW, 0]
    assert commands(env_id, ["up", "left", "right", "p", "d", "4"], True, useful_actions=actions) == [1, 3, 2]
    assert commands(env_id, "lrfpdt6", False) == [0, 1, 2, 3, 4, 5, 6]


def test_actions_that_do_not_start_at_0():
    class Offset(gym.Env):
        action_space = gym.spaces.Discrete(3, start=5)

    controls = Controls(Offset(), True)
    assert list(controls.commands("0123")) == [5, 6, 7]
    assert controls.name(6) == "1"


@pytest.mark.parametrize("space", [gym.spaces.Box(-1, 1), gym.spaces.MultiDiscrete([2, 2]), gym.spaces.Discrete(11)])
def test_actions_for_which_there_are_no_keys(space):
    env = gym.Env()
    env.action_space = space
    assert not has_keys(space)
    with pytest.raises(ValueError, match=r"there are no keys for .*--random"):
        Controls(env, True)


@pytest.mark.parametrize("at_terminal", [False, True])
@pytest.mark.parametrize("env_id", ["Engram-RoomS11-v0", "Engram-TMaze-v0", "MiniGrid-DoorKey-8x8-v0"])
def test_the_help_names_every_key_and_what_it_does(env_id, at_terminal):
    controls = Controls(make_env(env_id), at_terminal)
    *actions, new, end = controls.help(ascii_only=True).split("   ")
    for line in actions:
        *keys, name = line.split()
        assert keys
        assert {controls.name(command) for command in controls.commands(keys)} == {name}
        assert len(list(controls.commands(keys))) == len(keys)
    assert list(controls.commands([new[0], end[0]])) == [Command.NEW, Command.QUIT]
    assert controls.help(ascii_only=True).isascii()
    assert ("←" in controls.help()) == at_terminal
