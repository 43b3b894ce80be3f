"""Spaces as plain data: what is read again is equal, and says of itself what encoders ask for."""

from __future__ import annotations

import io
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import engram
from engram.agents.encoder import ObservationEncoder
from engram.storage import read_archive, write_archive
from engram.storage.spaces import SAID, space_as_data, space_from_data

TASKS = [env_id for env_id in gym.registry if env_id.startswith("Engram-")] + ["BabyAI-GoToLocal-v0", "CartPole-v1"]
SPACES = {
    "box": spaces.Box(np.array([-np.inf, 0.1], np.float32), np.array([3.0, np.inf], np.float32)),
    "image": spaces.Box(0, 255, (3, 5, 7), np.uint8),
    "wide": spaces.Box(-(2**40), 2**50, (2,), np.int64),
    "half": spaces.Box(0, 1, (2, 3), np.float16),
    "discrete": spaces.Discrete(7),
    "several": spaces.MultiDiscrete([3, 5, 2]),
    "bits": spaces.MultiBinary(5),
    "bits in rows": spaces.MultiBinary([2, 3]),
    "dict": spaces.Dict({"z": spaces.Discrete(3), "a": spaces.Box(0, 1, (2,), np.float32)}),
}


def written_and_read(space: spaces.Space[Any]) -> spaces.Space[Any]:
    file = io.BytesIO()
    write_archive(file, "space", space_as_data(space))
    return space_from_data(read_archive(file, "space"))


def said_by(space: spaces.Space[Any]) -> dict[str, Any]:
    parts = space.spaces if isinstance(space, spaces.Dict) else {"": space}
    return {f"{key}.{name}": getattr(part, name) for key, part in parts.items() for name in SAID if hasattr(part, name)}


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_read_as_it_was(name: str) -> None:
    space, found = SPACES[name], written_and_read(SPACES[name])
    assert found == space
    assert type(found) is type(space)
    assert found.dtype == space.dtype
    assert str(found) == str(space)


@pytest.mark.parametrize("env_id", TASKS)
def test_spaces_of_every_task_say_what_encoders_ask_for(env_id: str) -> None:
    env = engram.make_env(env_id)
    spaces_of_it = [env.observation_space, env.action_space]
    if env_id.startswith(("Engram-Maze", "Engram-Room", "Engram-Match")):
        spaces_of_it.append(engram.make_env(env_id, odometry=True).observation_space)
    for space in spaces_of_it:
        found = written_and_read(space)
        assert found == space
        assert said_by(found) == said_by(space)
    ours, read = (ObservationEncoder(s) for s in (env.observation_space, written_and_read(env.observation_space)))
    assert str(ours) == str(read)
    env.close()


GOOD: Any = space_as_data(SPACES["box"])


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ([], "is no space"),
        ({**GOOD, "space": "Graph"}, "'Graph' is no space that agents support"),
        ({**GOOD, "dtype": "object"}, "'object', which is no type of numbers"),
        ({**GOOD, "low": 0}, "has no bounds"),
        ({**GOOD, "low": np.zeros(3, np.float32)}, r"has bounds float32 \(3,\) and float32 \(2,\)"),
        ({**GOOD, "said": {"__class__": True}}, "says '__class__', of which nothing is known"),
        ({"space": "Discrete", "n": 0, "dtype": "int64", "said": {}}, "0 is no number of choices"),
        ({"space": "MultiBinary", "n": [3, -1], "dtype": "int8", "said": {}}, "-1 is no number of choices"),
        ({"space": "MultiDiscrete", "nvec": np.array([2, 0]), "dtype": "int64", "said": {}}, "no numbers of choices"),
    ],
)
def test_what_is_no_space_is_refused(wrong: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        space_from_data(wrong)
