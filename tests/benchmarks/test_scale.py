"""The scripts that examine agents with more slots, on small sizes."""

import json
import shutil
import sys

import pytest
from tiny_runs import TINY, composed, copy_of_run

from benchmarks.scale import __main__ as scale
from benchmarks.scale import binding, reads
from engram.cli.train import train

PAIRS = ("env=binding", "env.n_envs=6", "env.kwargs.cues=3", "env.kwargs.alphabet=5", "env.kwargs.digits=2")
SPARSE = ("memory.read=sparse", "memory.k=2", "eval.film=false", "eval.final_episodes=0")


def play(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["benchmarks.scale", *map(str, arguments)])
    return scale.main()


def test_an_agent_plays_on_with_more_slots_and_what_it_did_is_kept(tmp_path, monkeypatch, capsys):
    run = copy_of_run(tmp_path / "run")
    assert play(monkeypatch, run, "--slots", 70, "--kwargs", "delay=[40,40]", "--episodes", 4, "--n-envs", 2) == 0
    assert play(monkeypatch, run, "--kwargs", "delay=[8,8]") == 0
    first, second = json.loads((run / "scale.json").read_text())
    assert (first["slots"], first["episodes"]) == (70, 4)
    assert first["shortest"] > 40
    assert first["right_answers"] is None
    assert second["slots"] == 7
    assert 8 < second["shortest"] <= 40
    assert "cpu_ms_per_step_of_all_envs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kwargs", "delay"], "--kwargs delay: must be KEY=VALUE"),
        (["--kwargs", "delay=[5,2]"], "must be a pair"),
        (["--slots", "0"], "--slots: '0' must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_played_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    run = copy_of_run(tmp_path / "run")
    with pytest.raises(SystemExit):
        play(monkeypatch, run, *arguments)
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_pairs_are_bound_in_stages(tmp_path, monkeypatch, capsys):
    of_another_env = [pair for pair in TINY if not pair.startswith("env")]
    train(composed(*PAIRS, *of_another_env, *SPARSE, f"runs_dir={tmp_path}"), "few")
    (run,) = (tmp_path / "few").iterdir()
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["binding", str(run), str(out), "--cues", "4", "6", "--steps", "192"])
    assert binding.main() == 0
    assert [line.split()[0] for line in (out / "stages.txt").read_text().splitlines()] == ["4", "6"]
    assert play(monkeypatch, out, "--slots", 50, "--kwargs", "cues=20", "queries=5") == 0
    (found,) = json.loads((out / "scale.json").read_text())
    assert (found["mean_length"], found["slots"], found["checkpoint"]) == (25, 50, "latest")
    assert found["right_answers"] == pytest.approx((1 + found["mean_return"]) / 2)
    assert found["kwargs"]["digits"] == 2
    shutil.rmtree(run)


def test_reads_are_measured(monkeypatch, capsys):
    arguments = ["--slots", "512", "--dense-slots", "256", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["benchmarks.scale.reads", *arguments])
    assert reads.main() == 0
    out = capsys.readouterr().out
    assert "512 take 2 times that" in out
    assert "times as much" in out
