"""What the factory refuses: in one line, and before anything is built."""

import gymnasium as gym
import pytest
from minigrid.core.grid import Grid
from minigrid.minigrid_env import MiniGridEnv

from engram.envs import make_env, make_vec_env
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.maze_sequence import MazeSequence
from engram.envs.tasks.mazes.room import Room

IDS = [env_id for env_id in gym.registry if env_id.startswith("Engram-")]
TASKS = ("Engram-MatchS9-v0", "Engram-RoomS11-v0", "Engram-MazeMatch-S9-v0", "MiniGrid-MemoryS9-v0")


def refused(make, *arguments, match, **options):
    with pytest.raises(ValueError, match=match) as error:
        make(*arguments, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"env_id": 3}, "env_id=3 must be the id of an environment"),
        ({"env_id": None}, "env_id=None must be the id"),
        ({"n_envs": "2"}, "n_envs='2' must be a whole number$"),
        ({"n_envs": True}, "n_envs=True must be a whole number"),
        ({"n_envs": None}, "n_envs=None must be a whole number"),
        ({"seed": "x"}, "seed='x' must be a whole number of at least 0, or None"),
        ({"seed": -1}, "seed=-1 must be a whole number of at least 0"),
        ({"view_size": "3"}, "view_size='3' must be a whole number, or None"),
        ({"view_size": 3.0}, r"view_size=3\.0 must be a whole number"),
        ({"pixels": "8"}, "pixels='8' must be a whole number, or None"),
        ({"useful_actions": "left"}, "useful_actions='left' must be a list of names, or None"),
        ({"useful_actions": []}, r"useful_actions=\[\] must be distinct names out of left, right"),
        ({"useful_actions": [1]}, r"useful_actions=\[1\] must be a list of names"),
        ({"previous_reward": "yes"}, "previous_reward='yes' must be true or false"),
        ({"random_actions": "often"}, "random_actions='often' must be a number"),
        ({"kwargs": [1]}, r"kwargs=\[1\] must be a dictionary of arguments by name, or None"),
        ({"kwargs": {3: 4}}, "kwargs={3: 4} must be a dictionary of arguments by name"),
        ({"kwargs": {"size": "big"}}, "size='big' must be a whole number from 7 to 1000"),
        ({"module": 3}, "module=3 must be the name of a module, or None"),
        ({"module": ""}, "module='' must be the name of a module, or None"),
        ({"module": ".mine"}, "module='.mine' must be the name of a module, or None"),
        ({"subprocess": 1}, "subprocess=1 must be true or false"),
        ({"monitor": None}, "monitor=None must be true or false"),
        ({"env_id": "MiniGrid-MemoryS9-v0", "kwargs": {"size": "big"}}, "MemoryS9-v0 cannot be made with size='big'"),
        ({"env_id": "MiniGrid-MemoryS9-v0", "kwargs": {"agent_view_size": 4}}, "cannot be made with agent_view_size=4"),
    ],
)
def test_what_is_of_another_kind_is_told_in_one_line(arguments, line):
    refused(make_vec_env, **{"env_id": "Engram-MatchS9-v0", **arguments}, match=line)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("mode", ["bogus", 3])
def test_a_render_mode_that_it_does_not_have_is_refused(env_id, mode):
    draws = any(word in env_id for word in ("Match", "Room", "MazeReturn", "MazeSequence", "Position"))
    right = "one of human, rgb_array, or None" if draws else "None: it draws nothing"
    refused(make_env, env_id, kwargs={"render_mode": mode}, match=f"^{env_id}: render_mode={mode!r} must be {right}$")


@pytest.mark.parametrize("env_id", ["Engram-MatchS9-v0", "Engram-PositionCartPole-v0", "CartPole-v1"])
@pytest.mark.parametrize("mode", ["rgb_array", "rgb_array_list", None])
def test_a_render_mode_that_it_has_is_taken(env_id, mode):
    env = make_env(env_id, kwargs={"render_mode": mode}, seed=0)
    assert env.render_mode == mode


@pytest.mark.parametrize("env_id", TASKS)
@pytest.mark.parametrize("view_size", [101, 10**9 + 1])
def test_a_view_that_shows_more_than_all_is_refused_before_a_maze_is_drawn(env_id, view_size, monkeypatch):
    monkeypatch.setattr(MiniGridEnv, "reset", None)
    side = gym.make(env_id).unwrapped.width
    most = f"must be at most {2 * side - 1}: that shows all of a grid of {side} cells a side"
    refused(make_env, env_id, view_size=view_size, seed=0, match=f"^view_size={view_size} {most}")


def test_the_largest_view_is_made():
    assert make_env("MiniGrid-FourRooms-v0", view_size=37, seed=0).observation_space.shape == (37, 37, 3)
    refused(make_env, "MiniGrid-FourRooms-v0", view_size=39, match="view_size=39 must be at most 37")
    env = make_env("Engram-MazeReturn-S51-v0", view_size=63, seed=0)
    assert env.observation_space.contains(env.reset()[0])
    refused(make_env, "Engram-MazeReturn-S51-v0", view_size=65, match="view_size=65 must be at most 63$")


@pytest.mark.parametrize("task", [Match, Room, MazeSequence])
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"size": 1001}, "size=1001 must be a whole number from"),
        ({"size": 10**12}, "size=1000000000000 must be a whole number from"),
        ({"size": 15, "agent_view_size": 31}, "agent_view_size=31 must be at most 29"),
        ({"size": 15, "agent_view_size": 10**9 + 1}, "agent_view_size=1000000001 must be at most 29"),
        ({"size": 15, "agent_view_size": "x"}, "agent_view_size='x' must be an odd number of cells"),
    ],
)
def test_a_huge_size_or_view_of_a_task_is_refused_before_anything_is_built(task, arguments, line, monkeypatch):
    monkeypatch.setattr(MiniGridEnv, "__init__", None)
    refused(task, **arguments, match=line)


@pytest.mark.parametrize(
    ("env_id", "name", "value", "most"),
    [
        ("MiniGrid-MemoryS9-v0", "size", 30_001, 1000),
        ("MiniGrid-Empty-8x8-v0", "size", 1001, 1000),
        ("MiniGrid-MemoryS9-v0", "agent_view_size", 20_001, 63),
        ("Engram-MatchS9-v0", "size", 10**12, 1000),
    ],
)
def test_a_huge_grid_or_view_of_minigrids_own_is_refused_before_it_is_built(env_id, name, value, most, monkeypatch):
    monkeypatch.setattr(Grid, "__init__", None)
    refused(make_env, env_id, kwargs={name: value}, seed=0, match=f"^{env_id}: {name}={value} must be at most {most}$")


class Counted(gym.Env):
    made = 0
    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        Counted.made += 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return int(self.np_random.integers(2)), {}


def test_as_many_environments_are_built_as_are_asked_for(monkeypatch):
    monkeypatch.setitem(gym.registry, "Counted-v0", gym.envs.registration.EnvSpec("Counted-v0", entry_point=Counted))
    for n_envs in (1, 3):
        Counted.made = 0
        vec_env = make_vec_env("Counted-v0", n_envs=n_envs, seed=0)
        assert Counted.made == vec_env.num_envs == n_envs
        assert len({id(env.unwrapped) for env in vec_env.envs}) == n_envs
