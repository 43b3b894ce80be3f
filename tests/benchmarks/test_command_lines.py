"""Every script of the benchmarks explains itself, and answers a wrong option in one line."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for file in sorted((ROOT / "benchmarks").glob("**/*.py"))
    if '__name__ == "__main__"' in file.read_text()
    and file.parent.name not in ("baselines", "workers")  # which take keys, as train.py; which no user starts
]


def ended(script, arguments, monkeypatch):
    path = ROOT.joinpath(*script.split("."))
    module = import_module(f"{script}.__main__" if (path / "__main__.py").is_file() else script)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(SystemExit) as end:
        module.main()
    return end.value.code


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_what_it_is_for_how_to_call_it_and_all_options(script, monkeypatch, capsys):
    assert ended(script, ["--help"], monkeypatch) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m {script} ")
    assert text.count(f"python -m {script}") >= 2, "the usage, and an example in the text"
    options = text.split("options:")[1]
    assert "-h, --help" in options
    assert "--" in options.replace("--help", "") or "positional arguments" in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_option_is_one_line(script, monkeypatch, capsys):
    assert ended(script, ["--no-such-option"], monkeypatch) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"python -m {script}: ")


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("benchmarks.speed.envs", ["--seconds", "0"], "--seconds: '0' must be a number above 0"),
        ("benchmarks.speed.envs", ["--n-envs", "2.5"], "--n-envs: '2.5' must be a whole number of at least 1"),
        ("benchmarks.speed.envs", ["CartPole-v1"], "CartPole-v1 is not one of "),
        ("benchmarks.speed.chunks", ["--device", "abacus"], "--device: abacus: "),
        ("benchmarks.speed", ["old_commit", "--base", "nosuch"], "--base: 'nosuch' is no commit of this repository"),
        ("benchmarks.leakage", ["--seed", "2147483648"], "'2147483648' must be a whole number from 0 to 2,147,483,647"),
        ("benchmarks.players", ["Engram-Mace"], "Engram-Mace"),
        ("benchmarks.figures.tasks", ["--out", "/dev/null/here"], "--out /dev/null/here: "),
    ],
)
def test_a_wrong_value_is_named_in_one_line(script, arguments, message, monkeypatch, capsys):
    assert ended(script, arguments, monkeypatch) == 2
    _, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert message in err
