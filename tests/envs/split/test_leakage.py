"""The leakage report counts right, and finds leaks."""

from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Key, Wall
from minigrid.minigrid_env import MiniGridEnv

from engram.envs import make_env, measure_leakage
from engram.envs.split.leakage import Leakage, SideMet, _estimate


def measured(env_id, resets=150, **more):
    return measure_leakage(lambda side: make_env(env_id, split=side, **more), seed=3, resets=resets, seconds=60)


@pytest.mark.parametrize("env_id", ["Engram-RoomS11-v0", "Engram-MazeMatch-S9-v0", "MiniGrid-FourRooms-v0"])
def test_no_maze_is_on_two_sides(env_id):
    report = measured(env_id)
    assert (report.by, report.checked_by, report.shared) == ("layout", "grid", 0)
    assert [side.resets for side in report.sides.values()] == [150] * 3
    assert report.estimated > 1000


def test_few_layouts_are_counted():
    report = measured("MiniGrid-MemoryS13-v0", resets=200)
    assert [(side.met, side.estimated) for side in report.sides.values()] == [(6, 6), (2, 2), (2, 2)]
    assert "train 6 of 6, validation 2 of 2, test 2 of 2" in str(report)
    assert "at least" not in str(report)


def test_a_task_without_grid_is_told_by_its_own_key():
    report = measured("Engram-TMaze-v0")
    assert (report.by, report.checked_by, report.shared) == ("layout", None, 0)


def test_seeds_of_a_large_space_share_nothing_and_those_of_a_small_one_much():
    large, small = measured("Engram-Binding-v0"), measured("FrozenLake-v1")
    assert (large.by, large.checked_by, large.shared) == ("seed", "episode", 0)
    assert large.sides["test"].met == 150
    assert small.shared > 5


class Hidden(MiniGridEnv):
    """A maze whose own layout key takes the key's color for a part of the layout: a leak."""

    def __init__(self):
        super().__init__(MissionSpace(mission_func=lambda: "leak"), grid_size=7, max_steps=10)

    def _gen_grid(self, width, height):
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        self.color = ("red", "green", "blue", "purple", "yellow", "grey")[int(self.np_random.integers(6))]
        self.grid.set(3, 3, Key(self.color))
        self.grid.set(int(self.np_random.integers(1, 6)), 1, Wall())
        self.agent_pos, self.agent_dir = (1, 5), 0
        self.mission = "leak"

    def layout_key(self):
        return f"{self.color} {self.grid.encode()[:, 1, 0].tolist()}"


def test_a_key_that_holds_the_cue_is_found_out():
    gym.register(id="Leaking-v0", entry_point=Hidden)
    try:
        assert measured("Leaking-v0", resets=60).shared > 0
    finally:
        del gym.registry["Leaking-v0"]


def test_an_env_that_is_not_split_at_all_is_found_out():
    report = measure_leakage(lambda side: make_env("MiniGrid-MemoryS9-v0"), seed=0, resets=50, seconds=60)
    assert report.shared > 0


def test_estimate():
    # 3 met once, 1 met twice: 4 + 3 * 2 / (2 * 2); all met twice: no more are expected.
    assert _estimate(Counter(a=1, b=1, c=1, d=2)) == 5.5
    assert _estimate(Counter(a=2, b=3)) == 2
    rng = np.random.default_rng(0)
    drawn = Counter(rng.integers(1000, size=800).tolist())
    assert 0.7 * 1000 < _estimate(drawn) < 1.3 * 1000


def test_it_ends_in_time_and_says_how_far_it_came():
    report = measure_leakage(lambda side: make_env("Engram-RoomS11-v0", split=side), seed=0, resets=10**6, seconds=0.3)
    assert 1 <= report.sides["train"].resets < 10**5


def test_what_is_saved_and_said():
    sides = {"train": SideMet(10, 9, 45.5), "validation": SideMet(10, 2, 2), "test": SideMet(3, 3, 6.0)}
    report = Leakage("seed", sides, "episode", 1)
    assert report.as_json()["sides"]["train"] == {"resets": 10, "met": 9, "estimated": 45.5}
    assert report.as_json()["estimated"] == 53.5
    assert str(report) == (
        "split by seed: episodes met: train 9 of at least 46, validation 2 of 2, test 3, all new;"
        " 1 on two sides by a hash of what is seen, in 23 resets"
    )
