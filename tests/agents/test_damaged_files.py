"""Files of agents that are damaged, or made to harm: refused in one line, whatever was altered, and never executed."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from small import small

from engram.agents import MemoryPolicy, MemoryPPO

WRONG: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    2**70,
    10**12,
    1e300,
    "",
    "../../etc",
    "os.system",
    "x" * 5000,
    [],
    [[]],
    [None] * 40,
    {},
    {"a": 1},
    {"$": "tensor", "name": "0"},
    {"$": "array", "name": "1"},
    {"$": "tensor", "name": "3", "axes": [0, 0]},
    {"$": "number", "is": "nan"},
    {"$": "pickle"},
    {"is": "no data", "of": "os.system"},
    {"is": "class", "of": "torch.nn.Linear"},
    {"is": "tuple", "of": [1]},
]


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """The members of an agent's file."""
    file = io.BytesIO()
    small(bonus="rnd").learn(30).save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def file_of(members: dict[str, bytes]) -> io.BytesIO:
    """Return a file of these members, with digests that are right."""
    head = json.loads(members["archive.json"])
    head["digests"] = {name: hashlib.sha256(members[name]).hexdigest() for name in head["digests"]}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive.json", json.dumps(head))
        for name in head["digests"]:
            archive.writestr(name, members[name])
    file.seek(0)
    return file


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything in a tree."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def altered(tree: Any, path: tuple[Any, ...], draw: random.Random) -> Any:
    """Return a tree in which something is another, missing, or there twice."""
    if not path:
        return draw.choice(WRONG)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    key = path[0]
    if len(path) == 1 and draw.random() < 0.3:
        if draw.random() < 0.5:
            del copy[key]
        elif isinstance(copy, dict):
            copy["another"] = copy[key]
        else:
            copy.append(copy[key])
    else:
        copy[key] = altered(copy[key], path[1:], draw)
    return copy


def outcome(file: io.BytesIO) -> str:
    """Return the line in which a file is refused, or "" for an agent that can act."""
    try:
        loaded = MemoryPPO.load(file, device="cpu")
    except ValueError as error:
        line = str(error)
        assert line == " ".join(line.split()) != "", "not one line"
        return line
    assert all(bool(weights.isfinite().all()) for weights in loaded.policy.parameters())
    return ""


@pytest.mark.parametrize("seed", range(120))
def test_whatever_is_altered_it_is_a_line_or_an_agent(whole: dict[str, bytes], seed: int) -> None:
    draw = random.Random(seed)
    content = json.loads(whole["content.json"])
    everywhere = places(content)
    arguments = [path for path in everywhere if path[:1] == ("arguments",)]
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        path = draw.choice(draw.choice([everywhere, arguments]))
        try:
            content = altered(content, path, draw)
        except (KeyError, IndexError, TypeError):  # something on the way is gone by now
            continue
    outcome(file_of({**whole, "content.json": json.dumps(content).encode()}))


@pytest.mark.parametrize("seed", range(30))
def test_other_tensors_are_a_line_or_an_agent(whole: dict[str, bytes], seed: int) -> None:
    draw = random.Random(seed)
    tensors = load(whole["tensors.safetensors"])
    name = draw.choice(sorted(tensors))
    one = tensors[name]
    others = [one.double(), one.flatten()[:0], one.repeat(2, *[1] * (one.dim() - 1)) if one.dim() else one[None]]
    tensors[name] = draw.choice([*others, torch.full_like(one.float(), float("nan")), one.bool(), one.to(torch.int8)])
    outcome(file_of({**whole, "tensors.safetensors": save({k: t.contiguous() for k, t in tensors.items()})}))


def test_a_whole_file_made_anew_is_an_agent(whole: dict[str, bytes]) -> None:
    assert outcome(file_of(whole)) == ""


def test_members_of_another_agent_are_refused_by_their_digests(whole: dict[str, bytes]) -> None:
    other = io.BytesIO()
    small(seed=9).save(other)
    with zipfile.ZipFile(other) as archive:
        swapped = {**whole, "tensors.safetensors": archive.read("tensors.safetensors")}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in swapped.items():
            archive.writestr(name, data)
    assert "is not what was written" in outcome(file)


def test_weights_that_are_not_finite_are_refused() -> None:
    model, file = small(), io.BytesIO()
    with torch.no_grad():
        model.policy.value_net.bias.fill_(float("nan"))
    model.save(file)
    assert "value_net.bias has values that are not finite" in outcome(file)
    file = io.BytesIO()
    model.policy.save(file)
    with pytest.raises(ValueError, match=r"value_net\.bias has values that are not finite"):
        MemoryPolicy.load(file, device="cpu")


class Payload:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def test_nothing_is_unpickled(tmp_path: Path, whole: dict[str, bytes]) -> None:
    executed = tmp_path / "executed"
    model, stock = small(), io.BytesIO()
    model.tensorboard_log = Payload(str(executed))
    super(MemoryPPO, model).save(stock)
    assert "with pickles, which execute what they hold" in outcome(stock)
    pickled = {**whole, "tensors.safetensors": pickle.dumps(Payload(str(executed)))}
    assert "damaged" in outcome(file_of(pickled))
    with pytest.raises(ValueError, match="with pickles"):
        model.set_parameters(stock)
    torch.save({"state_dict": Payload(str(executed)), "data": {}}, tmp_path / "policy.pt")
    with pytest.raises(ValueError, match="no archive of this project"):
        MemoryPolicy.load(tmp_path / "policy.pt", device="cpu")
    assert not executed.exists()


def test_where_logs_are_written_is_no_matter_of_the_file(tmp_path: Path) -> None:
    small(tensorboard_log=str(tmp_path)).save(tmp_path / "agent")
    assert MemoryPPO.load(tmp_path / "agent", device="cpu").tensorboard_log is None
    assert MemoryPPO.load(tmp_path / "agent", device="cpu", tensorboard_log="here").tensorboard_log == "here"


def test_an_agent_is_no_policy_and_a_policy_no_agent() -> None:
    agent, policy = io.BytesIO(), io.BytesIO()
    small().save(agent)
    small().policy.save(policy)
    assert "holds 'policy' and no agent" in outcome(policy)
    with pytest.raises(ValueError, match="holds 'agent' and no policy"):
        MemoryPolicy.load(agent, device="cpu")
