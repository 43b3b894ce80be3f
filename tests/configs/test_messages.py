"""Whatever is wrong with a configuration is reported in one line that names what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import composed

from engram.cli.hydra import run
from engram.configs import CannotRun, load, one_line
from engram.configs.messages import CONFIG_ERRORS

WRONG = {
    "unknown key": (["ppo.learning_rat=1"], ["ppo.learning_rat", "ppo.learning_rate"]),
    "unknown key without a neighbor": (["ppo.lr=1"], ["ppo.lr", "learning_rate", "gamma"]),
    "key of another group": (["learning_rate=1"], ["learning_rate", "ppo.learning_rate"]),
    "unknown key, added": (["+ppo.lr=1"], ["ppo.lr", "learning_rate"]),
    "unknown group": (["envv=tmaze"], ["envv", "env"]),
    "unknown choice": (["memory=episodc"], ["memory=episodc", "did you mean episodic", "none"]),
    "choice that is a number": (["memory=3"], ["memory=episodic"]),
    "text for a number": (["ppo.learning_rate=fast"], ["ppo.learning_rate=fast", "a number"]),
    "fraction for a whole number": (["ppo.n_steps=1.5"], ["ppo.n_steps=1.5", "a whole number"]),
    "text for a truth": (["env.split=maybe"], ["env.split=maybe", "true or false"]),
    "number for a list": (["ppo.net_arch=64"], ["ppo.net_arch=64", "a list"]),
    "text in a list of numbers": (["ppo.net_arch=[a]"], ["ppo.net_arch[0]=a", "whole number"]),
    "nothing for a number": (["ppo.gamma=null"], ["ppo.gamma=null", "a number"]),
    "word that is no mode": (["tracking.mode=of"], ["tracking.mode=of", "offline", "disabled"]),
    "key of another memory": (["memory=none", "memory.slots=3"], ["memory.slots", "choice of memory"]),
    "key of another controller": (["controller=gru", "controller.layers=3"], ["controller.layers", "of controller"]),
    "argument of the env, not added": (["env.kwargs.size=9"], ["+env.kwargs.size"]),
    "grid without -m": (["seed=1,2"], ["seed=1,2", "-m"]),
    "no value": (["seed"], ["'seed'", "key=value"]),
    "open bracket": (["env.kwargs.delay=[1,2"], ["delay=[1,2", "key=value"]),
    "missing id": (["env=gym"], ["env.id"]),
    "removed key": (["~seed"], ["seed"]),
    "out of range": (["env.n_envs=0"], ["env.n_envs=0", "from 1 to 100000"]),
    "not a number at all": (["ppo.gamma=nan"], ["ppo.gamma=nan", "from 0 to 1"]),
    "text for a number below a name of the user": (
        ["env.test_settings.larger.episodes=many"],
        ["env.test_settings.larger.episodes", "many"],
    ),
    "key that was renamed": (["env.actions=[left]"], ["env.actions", "env.useful_actions"]),
    "key below one that was renamed": (["env.harder.longer.id=x"], ["env.harder", "env.test_settings"]),
    "choice that was renamed": (["eval.harder=false"], ["eval.harder", "eval.test_settings"]),
    "scale that was renamed": (["ppo.normalize_rewards=true"], ["ppo.normalize_rewards", "ppo.normalize_returns now"]),
    "scale that is gone": (["env.reward_scale=7"], ["env.reward_scale: is gone", "ppo.normalize_returns"]),
    "layer without width": (["ppo.net_arch=[8,0]"], ["ppo.net_arch=[8, 0]", "at least 1"]),
}


@pytest.mark.parametrize(("overrides", "named"), WRONG.values(), ids=WRONG)
def test_one_line_names_the_key_and_what_is_right(overrides: list[str], named: list[str]) -> None:
    with pytest.raises((*CONFIG_ERRORS, ValueError)) as caught:
        composed(*overrides)
    line = one_line(caught.value)
    assert "\n" not in line
    for words in named:
        assert words in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("learning_rate: fast\n", ["mine.yaml", "ppo.learning_rate=fast", "a number"]),
        ("lr: 1.0\n", ["mine.yaml", "ppo.lr", "learning_rate"]),
        ("gamma: [1\n", ["mine.yaml", "line 2", "YAML"]),
    ],
)
def test_error_in_a_yaml_file_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, named: list[str]
) -> None:
    (tmp_path / "ppo").mkdir()
    (tmp_path / "ppo" / "mine.yaml").write_text(text)
    monkeypatch.setattr("sys.argv", ["train.py"])
    assert run(lambda config, name: None, ["--config-dir", str(tmp_path), "ppo=mine"]) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    for words in named:
        assert words in line


def test_what_the_task_refuses_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: object, name: str) -> None:
        raise CannotRun(f"{name}: not today")

    monkeypatch.setattr("sys.argv", ["train.py"])
    with pytest.raises(SystemExit, match="2"):
        run(refuse, ["env=tmaze"])
    assert capsys.readouterr().err == "train.py: tmaze-episodic-lstm: not today\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(config: object, name: str) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("sys.argv", ["train.py"])
    with pytest.raises(ValueError, match="a bug"):
        run(fail, [])


def test_grid_that_does_not_compose_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py"])
    assert run(lambda config, name: None, ["-m", "seed=1,2", "ppo.lr=1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_config_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1\n")
    with pytest.raises(CannotRun, match=r"config\.yaml"):
        load(path)
