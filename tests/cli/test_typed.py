"""What is typed: numbers may be written as people write them, and an env of one's own names the folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engram.cli.hydra import run, whole
from engram.configs import TrainConfig


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[tuple[str, TrainConfig]]]]:
    """Return a function that runs a command line in an empty folder, and returns what was carried out."""
    monkeypatch.chdir(tmp_path)

    def running(*arguments: str) -> tuple[int, list[tuple[str, TrainConfig]]]:
        done: list[tuple[str, TrainConfig]] = []
        return run(lambda config, name: done.append((name, config)), arguments), done

    return running


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("total_timesteps=1e6", "total_timesteps=1000000"),
        ("total_timesteps=2.5e5", "total_timesteps=250000"),
        ("total_timesteps=1e5,3E+5", "total_timesteps=100000,300000"),
        ("eval.horizon=[10,1e4]", "eval.horizon=[10,10000]"),
        ("total_timesteps=1.5e0", "total_timesteps=1.5e0"),
        ("ppo.learning_rate=1e-3", "ppo.learning_rate=1e-3"),
        ("ppo.gamma=9e0", "ppo.gamma=9e0"),
        ("name=1e6", "name=1e6"),
        ("memory=episodic", "memory=episodic"),
        ("-m", "-m"),
    ],
)
def test_whole_numbers_may_be_written_with_an_exponent(typed: str, meant: str) -> None:
    assert whole(typed) == meant


def test_they_arrive(ran: Callable[..., tuple[int, list[tuple[str, TrainConfig]]]]) -> None:
    _, ((_, config),) = ran("total_timesteps=3e4")
    assert config.total_timesteps == 30_000


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "room-episodic-lstm"),
        (["env=gym", "env.id=CartPole-v1"], "CartPole-v1-episodic-lstm"),
        (["env=gym", "env.id=my_mazes:Own/Maze-v0", "memory=dnc"], "Own/Maze-v0-dnc-lstm"),
        (["env=tmaze"], "tmaze-episodic-lstm"),
    ],
)
def test_an_env_of_ones_own_names_the_folder(
    ran: Callable[..., tuple[int, list[tuple[str, TrainConfig]]]], arguments: list[str], name: str
) -> None:
    _, ((given, _),) = ran(*arguments)
    assert given == name


def test_letters_that_need_quotes_are_explained(
    ran: Callable[..., tuple[int, list[tuple[str, TrainConfig]]]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, done = ran("runs_dir=/tmp/jörg")
    assert (code, done) == (2, [])
    assert re.search(r"needs quotes within quotes: 'runs_dir=\"/tmp/jörg\"'$", capsys.readouterr().err.strip())
    code, ((_, config),) = ran('runs_dir="jörg"')
    assert config.runs_dir == "jörg"
