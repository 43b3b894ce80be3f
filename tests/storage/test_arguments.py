"""Arguments as plain data: what is read again is equal, and what is no data is named and has to be given again."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule

from engram.storage import read_archive, write_archive
from engram.storage.arguments import arguments_as_data, arguments_from_data


class Mine:
    pass


NAMES = {"memory": {"mine": Mine}}


def written_and_read(arguments: dict[str, Any], **again: Any) -> dict[str, Any]:
    file = io.BytesIO()
    write_archive(file, "arguments", arguments_as_data(arguments, NAMES))
    return arguments_from_data(read_archive(file, "arguments"), again)


DATA: dict[str, Any] = {
    "nothing": None,
    "switch": True,
    "number": 3,
    "fraction": 0.1,
    "infinity": float("inf"),
    "word": "word",
    "list": [1, [2.5]],
    "tuple": (3, (5, "a")),
    "set": {"b", "a"},
    "dictionary": {"a": {"b": (1,)}},
    "layer": torch.nn.ELU,
}


@pytest.mark.parametrize("value", DATA.values(), ids=DATA)
def test_data_is_read_as_it_was(value: Any) -> None:
    assert written_and_read({"x": value}) == {"x": value}


def test_schedules_of_stable_baselines3_are_data() -> None:
    given = {
        "a": LinearSchedule(0.5, 0.25, 0.5),
        "b": ConstantSchedule(0.1),
        "c": FloatSchedule(LinearSchedule(1, 0, 1)),
    }
    found = written_and_read(given)
    assert [found["a"](left) for left in (1.0, 0.75, 0.0)] == [0.5, 0.375, 0.25]
    assert found["b"] == 0.1
    assert found["c"](0.5) == 0.5


def test_a_class_with_a_name_is_written_as_that_where_it_is_looked_up() -> None:
    assert written_and_read({"policy_kwargs": {"memory": Mine}}) == {"policy_kwargs": {"memory": "mine"}}
    with pytest.raises(ValueError, match=r"^controller is .*Mine, which no file holds"):
        written_and_read({"controller": Mine})


OTHERS = {"class": Mine, "object": Mine(), "function": len, "lambda": lambda left: left, "file": io.BytesIO()}


@pytest.mark.parametrize("value", OTHERS.values(), ids=OTHERS)
def test_what_is_no_data_is_named_and_given_again(value: Any) -> None:
    given = {"a": {"b": (1, value)}}
    with pytest.raises(ValueError, match=r"^a\.b\[1\] is \S+, which no file holds: give it again, load\(…, custom_obj"):
        written_and_read(given)
    assert written_and_read(given, **{"a.b[1]": 7}) == {"a": {"b": (1, 7)}}


def test_what_is_given_again_replaces_nothing_that_the_file_holds() -> None:
    assert written_and_read({"a": 3}, a=5) == {"a": 3}


@pytest.mark.parametrize(
    "wrong",
    [
        {"is": "class", "of": "os.system"},
        {"is": "class", "of": "torch.nn.functional"},
        {"is": "class", "of": "torch.nn.init.kaiming_uniform_"},
        {"is": "class", "of": "torch.nn.Module.__class__"},
        {"is": "class", "of": ["torch.nn.ELU"]},
        {"is": "linear schedule", "of": [1, 2]},
        {"is": "linear schedule", "of": [1, 2, "3"]},
        {"is": "tuple", "of": 3},
        {"is": "set", "of": [[]]},
        {"is": ["tuple"], "of": []},
        {"is": "pickle", "of": "gASV"},
    ],
    ids=str,
)
def test_what_was_never_written_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^a\.b is "):
        arguments_from_data({"a": {"b": wrong}}, {})
