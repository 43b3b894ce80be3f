"""The classes whose objects a state may hold: a fixed table of names, with what each attribute has to satisfy."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium.wrappers.utils import RunningMeanStd
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.roomgrid import Room
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, Lava, Wall, WorldObj
from minigrid.envs.babyai.core import verifier as babyai
from minigrid.envs.lockedroom import LockedRoom
from minigrid.envs.multiroom import MultiRoom
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.tasks.mazes import match, maze_match, maze_sequence
from engram.envs.tasks.mazes.generation.corridor import Corridor

Check = Callable[[Any], bool]


class Kind(NamedTuple):
    """A class, and what the attributes of its objects have to satisfy."""

    of: type
    attributes: Mapping[str, Check]


def is_number(value: Any) -> bool:
    """Return whether a value is a number or a truth value, of Python or of NumPy."""
    return isinstance(value, bool | int | float | np.number | np.bool_)


def is_text(value: Any) -> bool:
    """Return whether a value is a text."""
    return isinstance(value, str)


def is_pair(value: Any) -> bool:
    """Return whether a value is two numbers, such as a cell."""
    return isinstance(value, tuple | list | np.ndarray) and len(value) == 2 and all(map(is_number, value))


def is_array(value: Any) -> bool:
    """Return whether a value is an array, or a number."""
    return isinstance(value, np.ndarray) or is_number(value)


def is_door(value: Any) -> bool:
    """Return whether a value may stand for one of the doors of a room."""
    return isinstance(value, bool | Door | None)


def an(*classes: type) -> Check:
    """Check that a value is an object of one of some classes."""
    return lambda value: isinstance(value, classes)


def none_or(check: Check) -> Check:
    """Check a value that may be missing."""
    return lambda value: value is None or check(value)


def one_of(names: Mapping[str, int]) -> Check:
    """Check that a value is one of some names."""
    return lambda value: is_text(value) and value in names


def list_of(check: Check, length: int | None = None) -> Check:
    """Check the items of a list, and how many there are."""
    return lambda value: isinstance(value, list) and length in (None, len(value)) and all(map(check, value))


_CELL = none_or(is_pair)
_THING = {
    "type": one_of(OBJECT_TO_IDX),
    "color": one_of(COLOR_TO_IDX),
    "contains": none_or(an(WorldObj)),
    "init_pos": _CELL,
    "cur_pos": _CELL,
}
_DOOR = {"is_open": is_number, "is_locked": is_number}
_ROOM = {"top": is_pair, "size": is_pair}
_INSTRUCTION = {"env": an(MiniGridEnv)}
_ACTION = {**_INSTRUCTION, "lastStepMatch": is_number}
_DESCRIBED = {**_ACTION, "desc": an(babyai.ObjDesc)}
_STRICT = {"strict": is_number}
_CARRIED = {"preCarrying": none_or(an(WorldObj))}
_DONE = an(bool, str)
_SEQUENCE = {
    **_INSTRUCTION,
    **_STRICT,
    "instr_a": an(babyai.Instr),
    "instr_b": an(babyai.Instr),
    "a_done": _DONE,
    "b_done": _DONE,
}

KINDS: dict[str, Kind] = {
    **{thing.__name__: Kind(thing, _THING) for thing in (Ball, Box, Floor, Goal, Key, Lava, Wall)},
    "Door": Kind(Door, {**_THING, **_DOOR}),
    "Grid": Kind(Grid, {"width": is_number, "height": is_number, "grid": list_of(none_or(an(WorldObj)))}),
    "Room": Kind(
        Room,
        {
            **_ROOM,
            "doors": list_of(is_door, 4),
            "door_pos": list_of(_CELL, 4),
            "neighbors": list_of(none_or(an(Room)), 4),
            "locked": is_number,
            "objs": list_of(an(WorldObj)),
        },
    ),
    "MultiRoom": Kind(MultiRoom, {**_ROOM, "entryDoorPos": _CELL, "exitDoorPos": _CELL}),
    "LockedRoom": Kind(LockedRoom, {**_ROOM, "doorPos": _CELL, "color": none_or(is_text), "locked": is_number}),
    "ObjDesc": Kind(
        babyai.ObjDesc,
        {
            **dict.fromkeys(("type", "color", "loc"), none_or(is_text)),
            "obj_set": list_of(an(WorldObj)),
            "obj_poss": list_of(is_pair),
        },
    ),
    "GoToInstr": Kind(babyai.GoToInstr, _DESCRIBED),
    "OpenInstr": Kind(babyai.OpenInstr, {**_DESCRIBED, **_STRICT}),
    "PickupInstr": Kind(babyai.PickupInstr, {**_DESCRIBED, **_STRICT, **_CARRIED}),
    "PutNextInstr": Kind(
        babyai.PutNextInstr,
        {**_ACTION, **_STRICT, **_CARRIED, **dict.fromkeys(("desc_move", "desc_fixed"), an(babyai.ObjDesc))},
    ),
    "RunningMeanStd": Kind(RunningMeanStd, {"mean": is_array, "var": is_array, "count": is_number}),
    **{one.__name__: Kind(one, _SEQUENCE) for one in (babyai.AfterInstr, babyai.AndInstr, babyai.BeforeInstr)},
}
"""Objects of MiniGrid, BabyAI and Gymnasium, by the names that stand in a state."""

RECORDS: dict[str, type[Any]] = {
    "Corridor": Corridor,
    "Fork": maze_match.Fork,
    "MatchScene": match.Scene,
    "MazeMatchScene": maze_match.Scene,
    "MazeSequenceScene": maze_sequence.Scene,
}
"""Named tuples of our tasks, by the names that stand in a state."""

GENERATORS: dict[str, type[np.random.BitGenerator]] = {
    one.__name__: one
    for one in (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)
}
"""Those of NumPy, by their names."""
