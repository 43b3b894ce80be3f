import subprocess
import sys
from collections import defaultdict

import gymnasium as gym
import numpy as np
import pytest
from grid_probes import kind_at
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, Lava, Wall

from benchmarks.players.grids import choices
from engram.envs import make_env
from engram.envs.split.by_layout import SIDES, SplitByLayout, layout_key, side_of

MEMORY = [f"MiniGrid-Memory{size}-v0" for size in ("S7", "S9", "S11", "S13", "S13Random", "S17Random")]
THINGS = {"key": "thing", "ball": "thing", "box": "thing"}


def geometry(env):
    """The layout spelled out, by another way than the one under test."""
    bare = env.unwrapped
    cells = tuple(
        (x, y, THINGS.get(thing.type, thing.type))
        for x in range(bare.width)
        for y in range(bare.height)
        if (thing := bare.grid.get(x, y)) is not None
    )
    return cells, tuple(map(int, bare.agent_pos)), int(bare.agent_dir)


def room():
    env = gym.make("MiniGrid-Empty-6x6-v0")
    env.reset(seed=0)
    return env.unwrapped


def key_with(thing, cell=(3, 2)):
    env = room()
    env.grid.set(*cell, thing)
    return layout_key(env)


def test_kinds_and_colors_of_things_are_no_part_of_the_key():
    things = [Key("green"), Key("red"), Ball("green"), Ball("grey"), Box("blue"), Box("red", contains=Key("red"))]
    assert len({key_with(thing) for thing in things}) == 1
    doors = [Door("red"), Door("green", is_open=True), Door("red", is_locked=True)]
    assert len({key_with(door) for door in doors}) == 1
    assert key_with(Floor("red")) == key_with(Floor("blue"))


def test_geometry_is_all_of_the_key():
    keys = [key_with(thing) for thing in (None, Wall(), Door("red"), Lava(), Goal(), Floor(), Key())]
    keys += [key_with(Wall(), (2, 3)), key_with(Key(), (2, 3))]
    moved, turned = room(), room()
    moved.agent_pos = (2, 1)
    turned.agent_dir = 1
    keys += [layout_key(moved), layout_key(turned)]
    assert len(set(keys)) == len(keys)


def test_numpy_and_tuple_positions_give_the_same_key():
    one, other = room(), room()
    one.agent_pos, other.agent_pos = np.array((2, 3)), (2, 3)
    assert layout_key(one) == layout_key(other)


def test_sides_are_pinned():
    # A key that changes sides would turn test mazes of old runs into training mazes.
    assert [side_of(f"{number:016x}") for number in range(12)] == [SIDES[int(digit)] for digit in "200002202102"]
    env = gym.make("MiniGrid-MemoryS13-v0")
    env.reset(seed=3)
    assert layout_key(env) == "ffcf7a03f812b1b3"
    env = gym.make("Engram-TMaze-v0", delay=(17, 17))
    env.reset(seed=3)
    assert layout_key(env) == "68c36537224563cb"


def test_proportions():
    sides = [side_of(str(number)) for number in range(20_000)]
    for side, share in zip(SIDES, (0.70, 0.15, 0.15), strict=True):
        assert sides.count(side) / len(sides) == pytest.approx(share, abs=0.012)


def test_another_process_with_another_hash_seed_gets_the_same_keys():
    ids = ["Engram-MatchS9-v0", "MiniGrid-MemoryS9-v0", "MiniGrid-FourRooms-v0", "Engram-TMaze-v0"]
    code = (
        "import gymnasium as gym, engram.envs\n"
        "from engram.envs.split.by_layout import layout_key\n"
        f"for env_id in {ids}:\n"
        "    env = gym.make(env_id); env.reset(seed=8); print(layout_key(env))\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=True
    )
    here = []
    for env_id in ids:
        env = gym.make(env_id)
        env.reset(seed=8)
        here.append(layout_key(env))
    assert there.stdout.split() == here


@pytest.mark.parametrize(
    ("env_id", "resets"),
    [
        ("Engram-MatchS9-v0", 500),
        ("Engram-MatchS13-v0", 200),
        ("Engram-RoomS11-v0", 200),
        ("MiniGrid-FourRooms-v0", 60),
        *((i, 60) for i in MEMORY),
    ],
)
def test_no_geometry_is_on_two_sides(env_id, resets):
    seen = {}
    for number, side in enumerate(SIDES):
        env = make_env(env_id, split=side)
        seen[side] = set()
        for episode in range(resets):
            _, info = env.reset(seed=None if episode else number)
            assert side_of(info["layout"]) == side
            seen[side].add(geometry(env))
        assert len(env.get_wrapper_attr("layouts_seen")) == len(seen[side])
    assert all(seen.values())
    assert not seen["train"] & seen["validation"]
    assert not seen["train"] & seen["test"]
    assert not seen["validation"] & seen["test"]


@pytest.mark.parametrize("env_id", ["MiniGrid-MemoryS9-v0", "MiniGrid-MemoryS13-v0"])
def test_all_variants_of_cue_and_answer_of_a_maze_are_on_its_side(env_id):
    for side in SIDES:
        env = make_env(env_id, split=side, seed=5)
        variants = defaultdict(set)
        for _ in range(400):
            _, info = env.reset()
            scene = choices(env)
            variants[info["layout"]].add((kind_at(env, scene.cue), kind_at(env, scene.objects[0])))
        assert variants
        assert all(len(kinds) == 4 for kinds in variants.values())


def test_match_has_more_than_a_thousand_training_layouts():
    for env_id, least in (("Engram-MatchS9-v0", 1400), ("Engram-MatchS13-v0", 1490)):
        env = make_env(env_id, split="train", seed=0)
        for _ in range(1500):
            env.reset()
        assert len(env.get_wrapper_attr("layouts_seen")) >= least


def test_layout_is_in_the_info_of_reset_and_of_the_last_step_only():
    env = make_env("Engram-MatchS9-v0", split="validation", seed=1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        _, begun = env.reset()
        while True:
            *_, terminated, truncated, info = env.step(int(rng.integers(3)))
            if terminated or truncated:
                break
            assert "layout" not in info
        assert info["layout"] == begun["layout"]


def test_a_seeded_reset_repeats_and_the_ones_after_it_do_not():
    env = make_env("Engram-MatchS9-v0", split="test")
    runs = []
    for _ in range(2):
        layouts = [env.reset(seed=21)[1]["layout"]] + [env.reset()[1]["layout"] for _ in range(6)]
        runs.append(layouts)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 7


def test_a_side_without_layouts_is_an_error_of_one_line():
    errors = []
    for side in SIDES:
        env = make_env("Engram-TMaze-v0", split=side, kwargs={"delay": (4, 4)})
        try:
            env.reset(seed=0)
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) == 2
    for message in errors:
        assert message.startswith("Engram-TMaze-v0: no layout on the ")
        assert "met 1 distinct layouts: widen the range" in message
        assert "\n" not in message


def test_an_env_without_layouts_cannot_be_split_by_them():
    with pytest.raises(ValueError, match="CartPole-v1 has no layouts to split by: use split=None, or give it a method"):
        SplitByLayout(gym.make("CartPole-v1"), "train")
    with pytest.raises(ValueError, match="CartPole-v1 has no layout"):
        layout_key(gym.make("CartPole-v1"))


def test_an_unknown_side_is_refused():
    with pytest.raises(ValueError, match="split='dev' must be one of train, validation, test"):
        SplitByLayout(gym.make("MiniGrid-Empty-6x6-v0"), "dev")


def test_an_env_may_name_its_own_layout():
    class Numbered(type(gym.make("CartPole-v1").unwrapped)):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            self.number = int(self.np_random.integers(300))
            return observation, info

        def layout_key(self):
            return str(self.number)

    numbers = {}
    for side in SIDES:
        env = SplitByLayout(Numbered(), side)
        numbers[side] = {(env.reset(), env.unwrapped.number)[1] for _ in range(200)}
    assert not numbers["train"] & (numbers["validation"] | numbers["test"])
    assert not numbers["validation"] & numbers["test"]
