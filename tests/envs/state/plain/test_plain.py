"""What is written as plain data is read again as it was: values, types, and which objects are one."""

import math
import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
from mid_episode import round_trip
from minigrid.core.grid import Grid
from minigrid.core.roomgrid import Room
from minigrid.core.world_object import Ball, Box, Key

from engram.envs.state.plain.kinds import GENERATORS
from engram.envs.state.plain.reading import Reader, read, refused
from engram.envs.state.plain.writing import UnknownKindError, Writer, is_plain, written
from engram.envs.tasks.mazes.match import Scene

VALUES = [
    *(None, True, False, 0, -3, 2**200, 0.1, -0.0, math.inf, "", "wall", "naïve"),
    *((), (1,), (1, 2), ((1, 2), (3, 4)), ((1, 2), (3,)), ("a", "b"), ("a", "bc"), ("é", "b"), (1, 1.0), (True, 1)),
    *((0.1, 0.2), (2**63, 1), (-(2**63), 2**63 - 1), ((), ()), (None, None), ((2**64, 1), (0, 1)), ("", "")),
    *([], [1, 2], [[1], [2]], [None, [3]], {1: "a", "b": (2,)}, {(1, 2): [3]}, {}),
    *({1, 2}, {"ab", "cd"}, set(), {(1, 2), (3, 4)}, frozenset({(5, 6), (0, 7)}), frozenset(), {1, "a"}, {None, 3}),
    *(deque([1, 2], 3), deque(), deque([[1]])),
    *(np.float32(0.1), np.float64(0.1), np.int64(3), np.bool_(True), np.uint8(7)),
    *(np.arange(6).reshape(2, 3), np.zeros((0, 3), np.float32), np.array(3.0), np.array([True]), np.uint8([1, 2])),
    Scene((1, 2), (3, 4), 0, 1),
]


def same(one, other):
    """Return whether two values are equal in value, types and form."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    if isinstance(one, list | tuple | deque):
        return (
            len(one) == len(other)
            and all(map(same, one, other))
            and getattr(one, "maxlen", 0) == getattr(other, "maxlen", 0)
        )
    if isinstance(one, float):
        return repr(one) == repr(other)
    return one == other


@pytest.mark.parametrize("value", VALUES)
def test_values_come_back_as_they_were(value):
    plain = written(value)
    assert is_plain(plain)
    assert same(read(round_trip(plain)), value)


def test_nan_comes_back():
    assert math.isnan(read(round_trip(written(math.nan))))
    assert np.isnan(read(round_trip(written([math.nan, 1.0])))[0])


def test_random_nests_come_back():
    rng = random.Random(0)

    def nest(depth):
        if depth == 0:
            return rng.choice(VALUES[:17])
        kind = rng.choice((list, tuple, dict))
        items = [nest(rng.randrange(depth)) for _ in range(rng.randrange(4))]
        return dict(enumerate(items)) if kind is dict else kind(items)

    for _ in range(300):
        value = nest(4)
        assert same(read(round_trip(written(value))), value)


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_go_on(name):
    generator = np.random.Generator(GENERATORS[name](5))
    generator.random(3, dtype=np.float32)  # which leaves half a number over
    again = read(round_trip(written(generator)))
    assert again.integers(100, size=9).tolist() == generator.integers(100, size=9).tolist()
    assert again.random(dtype=np.float32) == generator.random(dtype=np.float32)


def test_what_is_written_does_not_change_with_the_object():
    array, generator = np.zeros(3), np.random.default_rng(0)
    plain, expected = written([array, generator]), np.random.default_rng(0).random()
    array[:] = 1
    generator.random()
    again = read(plain)
    assert not again[0].any()
    assert again[1].random() == expected


def test_what_is_one_object_stays_one():
    shared, generator = [1, 2], np.random.default_rng(0)
    one, other, inside, twin, rng, same_rng = read(
        round_trip(written([shared, shared, (shared,), [1, 2], generator, {"a": generator}]))
    )
    assert one is other is inside[0]
    assert one is not twin
    assert rng is same_rng["a"]


def test_things_in_a_grid_and_out_of_it_stay_one():
    grid, key = Grid(3, 4), Key("red")
    box, room = Box("green", contains=key), Room((0, 0), (3, 3))
    grid.set(1, 2, box)
    room.objs = [box, key]
    room.neighbors[1] = room  # a circle
    again, things, room_again = read(round_trip(written((grid, [key, box, None], room))))
    assert again.get(1, 2) is things[1]
    assert things[1].contains is things[0]
    assert things[0].color == "red"
    assert room_again.neighbors[1] is room_again
    assert room_again.objs == [things[1], things[0]]


def test_a_list_runs_in_a_circle():
    circle = [[]]
    circle[0].append(circle)
    again = read(round_trip(written(circle)))
    assert again[0][0] is again


def test_a_layer_is_named_by_its_number():
    layer = SimpleNamespace()
    writer = Writer([SimpleNamespace(), layer])
    plain = writer.write([layer, [layer]])
    there = SimpleNamespace()
    one, (two,) = Reader(writer.objects(), [None, there]).read(plain)
    assert one is two is there


@pytest.mark.parametrize(
    "value", [object(), len, int, 1j, b"a", np.array(["a"]), np.array([None]), [object()], ({"a": {1j}},), Ball]
)
def test_what_is_no_plain_data_is_not_written(value):
    with pytest.raises(UnknownKindError):
        written(value)


@pytest.mark.parametrize(
    "plain",
    [
        *(None, [], {}, {"value": 1}, {"value": 1, "objects": {}}, {"value": 1, "objects": [1]}),
        *({"value": {"object": 0}, "objects": []}, {"value": {"object": -1}, "objects": [{"list": []}]}),
        *({"value": {"layer": 0}, "objects": []}, {"value": {"eval": "1"}, "objects": []}),
        *(
            {"value": {"record": "Popen", "items": []}, "objects": []},
            {"value": {"record": "Fork", "items": [1]}, "objects": []},
        ),
        *(
            {"value": 1, "objects": [{"kind": "os.system", "attributes": {}}]},
            {"value": 1, "objects": [{"kind": "Key"}]},
        ),
        *({"value": 1, "objects": [{"kind": "Key", "attributes": {"color": "red"}}]},),
        *({"value": 1, "objects": [{"list": [], "set": []}]}, {"value": 1, "objects": [{"deque": [], "maxlen": -1}]}),
        *({"value": 1, "objects": [{"set": [{"object": 0}]}]}, {"value": 1, "objects": [{"dict": [1], "values": []}]}),
        *({"value": 1, "objects": [{"list": np.int32([0, 3])}]}, {"value": 1, "objects": [{"list": np.int32([-2])}]}),
        *({"value": 1, "objects": [{"list": np.uint8([[200]])}]}, {"value": 1, "objects": [{"list": np.int8([1])}]}),
        *({"value": 1, "objects": [{"array": np.array([None])}]}, {"value": np.zeros(2), "objects": []}),
        *({"value": 1, "objects": [{"generator": {"bit_generator": "PCG65"}}]}, {"value": 1j, "objects": []}),
        {"value": 1, "objects": [{"generator": {"bit_generator": "PCG64", "state": {"state": -1, "inc": 2.5}}}]},
    ],
)
def test_what_stands_for_nothing_is_refused_by_one_line(plain):
    with pytest.raises(ValueError, match=r"\A.+\Z"), refused():
        read(plain)
