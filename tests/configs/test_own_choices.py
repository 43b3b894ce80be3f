"""A class of one's own is a choice of the configuration: its constructor's arguments are keys with their types."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from own_memories import Counting
from tiny_runs import composed

from engram.agents import ENCODERS
from engram.cli.help import help_text
from engram.cli.hydra import run
from engram.cli.training.prepare import agent_arguments
from engram.configs import CannotRun, load, own_keys
from engram.configs.parts import CHOICES
from engram.evidence.runs.user_modules import import_modules, split_modules
from engram.memory import CONTROLLERS, MEMORIES
from engram.memory.controllers.gru.definition import GRU


class Shape(enum.Enum):
    ROUND = 1
    FLAT = 2


class Own(Counting):
    """Every kind of argument that one may think of."""

    def __init__(
        self,
        encode,
        event,
        encoded_size,
        hidden_size,
        width=5,
        rate: float = 1,
        sizes: tuple[int, ...] = (2, 3),
        limit: int | None = None,
        shape: Shape = Shape.ROUND,
        label: str = "a",
        turn: Callable[[int], int] = abs,
        *,
        sharp=True,
    ):
        super().__init__(encode, event, encoded_size, hidden_size)


class Needy(GRU):
    def __init__(self, input_size, depth: int, **kwargs):
        super().__init__(input_size, **kwargs)


@pytest.fixture(autouse=True)
def _own() -> Iterator[None]:
    tables = [*CHOICES.values(), MEMORIES, CONTROLLERS, ENCODERS]
    before = [dict(table) for table in tables]
    MEMORIES.register("own", Own)
    CONTROLLERS.register("needy", Needy)
    import_modules({})
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


DEFAULTS = {"width": 5, "rate": 1.0, "sizes": [2, 3], "limit": None, "shape": Shape.ROUND, "label": "a", "sharp": True}


def test_defaults_and_values_are_those_of_the_constructor() -> None:
    config = composed("memory=own")
    assert own_keys(config.memory) == DEFAULTS
    assert (config.memory.name, config.memory.module) == ("own", None)
    config = composed("memory=own", "memory.width=7", "memory.rate=2.5", "memory.limit=3", "memory.shape=FLAT")
    assert agent_arguments(config)["memory_kwargs"] == {
        **DEFAULTS,
        "width": 7,
        "rate": 2.5,
        "limit": 3,
        "shape": Shape.FLAT,
    }
    assert own_keys(composed("controller=needy", "controller.depth=3").controller) == {"depth": 3, "hidden_size": 64}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    config = composed("memory=own", "memory.width=7", "controller=needy", "controller.depth=3")
    OmegaConf.save(OmegaConf.structured(config), tmp_path / "config.yaml")
    assert load(tmp_path / "config.yaml") == config


def test_a_yaml_file_of_ones_own_may_stand_beside_the_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "wide.yaml").write_text("defaults: [/schema/memory/own@_here_]\nname: own\nwidth: 70\n")
    monkeypatch.setattr("sys.argv", ["train.py"])
    met: list[object] = []
    arguments = ["--config-dir", str(tmp_path), "memory=wide", "memory.rate=3"]
    assert run(lambda config, name: met.append(own_keys(config.memory)), arguments) == 0
    assert met == [{**DEFAULTS, "width": 70, "rate": 3.0}]


def test_help_lists_the_keys() -> None:
    lines = [line.split() for line in help_text(["memory=own"]).splitlines()]
    assert ["memory.width=5", "argument", "of", "Own"] in lines
    assert any(line[:1] == ["memory"] and "own*" in line and "dnc" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["memory=own", "memory.widht=7"], ["memory.widht", "did you mean memory.width?"]),
        (["memory=own", "memory.zzz=7"], ["memory.zzz", "keys of memory are name, module, width, rate"]),
        (["memory=own", "memory.slots=7"], ["not a key of this choice of memory, which has", "memory.width"]),
        (["memory=own", "memory.width=wide"], ["memory.width=wide: must be a whole number (argument of Own)"]),
        (["memory=own", "memory.width=1.5"], ["memory.width=1.5: must be a whole number"]),
        (["memory=own", "memory.sharp=blunt"], ["memory.sharp=blunt: must be true or false"]),
        (["memory=own", "memory.shape=SQUARE"], ["memory.shape=SQUARE: must be one of ROUND, FLAT"]),
        (["memory=own", "memory.turn=abs"], ["memory.turn: no such key"]),
        (["memory=own", "memory.encoded_size=3"], ["memory.encoded_size: no such key"]),
        (["controller=needy"], ["controller.depth: a value is needed"]),
        (["memory=mine"], ["memory=mine: no such choice", "own", "memory.module=my_module"]),
    ],
)
def test_what_is_wrong_is_one_line(
    words: list[str], named: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train.py"])
    try:
        code: object = run(lambda config, name: None, words)
    except SystemExit as stopped:
        code = stopped.code
    line = capsys.readouterr().err
    assert (code, line.count("\n")) == (2, 1)
    for part in named:
        assert part in line


def test_an_argument_with_the_name_of_a_common_key_is_refused() -> None:
    class Named(Counting):
        def __init__(self, encode, event, encoded_size, hidden_size, name="x"):
            super().__init__(encode, event, encoded_size, hidden_size)

    MEMORIES.register("named", Named)
    with pytest.raises(CannotRun, match=r"^memory=named: Named has an argument 'name', which is a key of every memory"):
        import_modules({})


def test_words_that_name_modules_are_told_from_others() -> None:
    words = ["runs/a", "memory.module=b.c", "env.module=d", "ppo.module=e", "+encoder.module=f", "x/memory.module=g"]
    others, modules = split_modules(words)
    assert others == ["runs/a", "ppo.module=e", "x/memory.module=g"]
    assert modules == {"memory": "b.c", "env": "d", "encoder": "f"}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            None,
            r"^memory.module='my_broken' cannot be imported: No module named 'my_broken', neither in",
        ),
        ("import nowhere_at_all\n", r"No module named 'nowhere_at_all' \(.*my_broken.py, line 1\)$"),
        ("x = 1\nx / 0\n", r"ZeroDivisionError: division by zero \(.*my_broken.py, line 2\)$"),
        ("x = (\n", r"SyntaxError: .*\(my_broken.py, line 1\)$"),
        (
            "from engram import register_memory\n\n@register_memory('dnc')\nclass Mine: pass\n",
            r"ValueError: memory <class 'my_broken.Mine'> must be a subclass of .*\(.*my_broken.py, line 3\)$",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(
    source: str | None, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    if source is not None:
        (tmp_path / "my_broken.py").write_text(source)
    with pytest.raises(CannotRun, match=line) as caught:
        import_modules({"memory": "my_broken"})
    assert "\n" not in str(caught.value)


def test_the_current_folder_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("colorsys", "my_last_module"):  # the first is of the standard library, and stays so
        (tmp_path / f"{name}.py").write_text("HERE = True\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
        import_modules({"env": name})
    assert sys.path[-1] == str(tmp_path)
    assert not hasattr(sys.modules["colorsys"], "HERE")
    assert sys.modules["my_last_module"].HERE
    del sys.modules["my_last_module"]
