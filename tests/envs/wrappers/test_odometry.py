"""Odometry: what the agent's own steps add up to since the start, and nothing of the map."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from grid_probes import CARRIED_ELSEWHERE
from minigrid.envs.empty import EmptyEnv
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import FullyObsWrapper
from side_by_side import action_towards_a_choice, assert_same_arrays

from engram.envs import make_env, make_vec_env
from engram.envs.tasks.mazes.maze_return import MazeReturn
from engram.envs.wrappers.odometry import PERIODS, PLACES, Odometry, OdometrySeen, decoded, encoded

OURS = [
    env_id
    for env_id in gym.registry
    if env_id.startswith("Engram-") and isinstance(make_env(env_id).unwrapped, MiniGridEnv)
]
OTHERS = ["MiniGrid-MemoryS13-v0", "MiniGrid-FourRooms-v0", "MiniGrid-GoToDoor-5x5-v0", "MiniGrid-DoorKey-5x5-v0"]
LEFT, RIGHT, FORWARD = range(3)


class Legs:
    """Adds up turns and steps, as an agent can that knows nothing else."""

    def __init__(self):
        self.place, self.ahead = 0j, 1 + 0j  # ahead of the start is 1, to the right of it is 1j

    def go(self, action, moved):
        self.ahead *= {LEFT: -1j, RIGHT: 1j}.get(action, 1)
        self.place += self.ahead * moved

    @property
    def felt(self):
        turns = [1 + 0j, 1j, -1 + 0j, -1j].index(self.ahead)
        return int(self.place.real), int(self.place.imag), turns


def pose(env):
    bare = env.unwrapped
    return tuple(map(int, bare.agent_pos)), int(bare.agent_dir)


def walk(env, steps, choose, seed=0):
    """Walk and hold odometry to what the legs have felt; return how often the agent was carried, and ended episodes."""
    observation, _ = env.reset(seed=seed)
    legs, carried, ended = Legs(), 0, 0
    for _ in range(steps):
        assert observation in env.observation_space
        assert decoded(observation["odometry"]) == legs.felt
        assert observation["odometry"].tobytes() == encoded(*legs.felt).tobytes()
        action, (before, _) = choose(env), pose(env)
        observation, _, terminated, truncated, _ = env.step(action)
        (x, y), _ = pose(env)
        far = abs(x - before[0]) + abs(y - before[1])
        if far > 1:
            legs, carried = Legs(), carried + 1
        else:
            legs.go(action, far)
        if terminated or truncated:
            assert decoded(observation["odometry"]) == legs.felt
            observation, _ = env.reset()
            legs, ended = Legs(), ended + 1
    return carried, ended


@pytest.mark.parametrize("env_id", [*OURS, *OTHERS])
def test_it_is_what_legs_feel(env_id):
    rng = np.random.default_rng(1)
    env = make_env(env_id, odometry=True, useful_actions=("left", "right", "forward"))
    carried, _ = walk(env, 300 if "S51" in env_id else 700, lambda env: int(rng.choice(3, p=(0.2, 0.2, 0.6))))
    assert not carried or isinstance(env.unwrapped, MazeReturn)


@pytest.mark.parametrize("env_id", ["Engram-MazeReturn-S9-v0", "Engram-MazeReturn-S13-v0", CARRIED_ELSEWHERE])
def test_carried_back_it_starts_anew(env_id):
    rng = np.random.default_rng(2)
    env = make_env(env_id, odometry=True)
    carried, ended = walk(
        env, 1500, lambda env: action_towards_a_choice(env) if rng.random() < 0.9 else int(rng.integers(3))
    )
    assert carried >= 2 * ended > 0  # of three trips or more the last ends the episode at the goal


class Empty(EmptyEnv):
    """No walls in reach, and a start of one's choice."""

    def __init__(self, x, y, heading):
        super().__init__(size=31, agent_start_pos=(x, y), agent_start_dir=heading, max_steps=99)


@pytest.mark.parametrize(("x", "y", "heading"), [(15, 15, 0), (13, 17, 1), (18, 14, 2), (15, 19, 3)])
def test_nothing_of_the_map_is_told(x, y, heading):
    # The same actions, of which the same succeed, are the same to the last bit wherever in the grid that is.
    env, other = (OdometrySeen(Empty(*start)) for start in ((x, y, heading), (16, 16, 0)))
    actions = np.random.default_rng(heading).integers(3, size=90)
    np.testing.assert_array_equal(env.reset(seed=1)[0]["odometry"], other.reset(seed=2)[0]["odometry"])
    for action in actions:
        ours, expected = (one.step(action)[0]["odometry"] for one in (env, other))
        assert ours.tobytes() == expected.tobytes()


def test_a_step_against_a_wall_leads_nowhere():
    env = OdometrySeen(EmptyEnv(size=7))
    env.reset(seed=0)
    felt = [decoded(env.step(FORWARD)[0]["odometry"]) for _ in range(7)]
    assert felt == [(min(time, 4), 0, 0) for time in range(1, 8)]


def test_all_places_of_a_maze_differ_by_a_quarter_turn_of_some_period():
    sines_and_cosines = PLACES.reshape(len(PLACES), len(PERIODS), 2)
    for apart in range(1, PERIODS[-1]):
        dots = (sines_and_cosines[:-apart] * sines_and_cosines[apart:]).sum(2)
        assert dots.min(1).max() < 1e-6


def test_it_is_one_more_key_and_changes_nothing_else():
    plain, with_it = (
        make_env("Engram-MazeReturn-S9-v0", split="test", odometry=odometry) for odometry in (False, True)
    )
    (image, info), (observation, info_with_it) = plain.reset(seed=3), with_it.reset(seed=3)
    for action in np.random.default_rng(0).integers(3, size=200):
        assert set(observation) == {"image", "odometry"}
        np.testing.assert_array_equal(observation["image"], image)
        assert info == info_with_it
        image, *rest, info = plain.step(action)
        observation, *rest_with_it, info_with_it = with_it.step(action)
        assert rest == rest_with_it


gym.register("SeesAll-v0", EmptyEnv, additional_wrappers=(FullyObsWrapper.wrapper_spec(),))


@pytest.mark.parametrize(
    ("env_id", "arguments", "keys"),
    [
        ("MiniGrid-GoToDoor-5x5-v0", {}, {"image", "mission"}),
        ("Engram-RoomS11-v0", {"pixels": 8}, {"image"}),
        ("Engram-RoomS11-v0", {"previous_reward": True}, {"image", "previous_reward"}),
        ("SeesAll-v0", {}, {"image", "direction"}),
    ],
)
def test_it_stands_beside_whatever_is_seen(env_id, arguments, keys):
    env = make_env(env_id, odometry=True, **arguments)
    observation, _ = env.reset(seed=0)
    assert set(observation) == {*keys, "odometry"}
    assert observation in env.observation_space


def test_other_processes_show_the_same():
    here, there = (
        make_vec_env("Engram-MatchS9-v0", n_envs=2, seed=7, odometry=True, subprocess=subprocess)
        for subprocess in (False, True)
    )
    try:
        assert_same_arrays(here.reset(), there.reset())
        for actions in np.random.default_rng(0).integers(3, size=(30, 2)):
            assert_same_arrays(here.step(actions)[0], there.step(actions)[0])
    finally:
        there.close()


def test_its_space_is_kept_with_an_agent():
    kept = pickle.loads(pickle.dumps(Odometry()))
    assert kept == Odometry()
    assert kept.tells_place


def test_what_has_no_steps_of_its_own_is_refused_in_one_line():
    for env_id in ("Engram-TMaze-v0", "CartPole-v1", "Engram-Binding-v0"):
        with pytest.raises(ValueError, match=f"^{env_id}: odometry is for MiniGrid environments only$"):
            make_env(env_id, odometry=True)
    with pytest.raises(ValueError, match="odometry='yes' must be true or false"):
        make_env("Engram-RoomS11-v0", odometry="yes")
    with pytest.raises(ValueError, match="already has a key 'odometry'"):
        OdometrySeen(make_env("Engram-RoomS11-v0", odometry=True))
