"""The comparison of bonuses: what is trained, what is not trained again, and what a table says."""

import json
import sys

import pytest
from tiny_runs import composed

from benchmarks.bonuses import MAZES, NO_BONUS, command, evaluated, main, missing, reached_after, table_of
from engram.agents import BONUSES


def test_every_run_is_one_that_train_py_takes(tmp_path):
    for maze in MAZES:
        for bonus in (NO_BONUS, *BONUSES):
            _, script, *overrides = command(maze, bonus, 7, tmp_path, 4000)
            config = composed(*overrides)
            assert script == "train.py"
            assert (config.seed, config.total_timesteps, config.env.odometry) == (7, 4000, True)
            assert config.ppo.novelty_coef == 0 if bonus == NO_BONUS else config.ppo.bonus == bonus
    assert composed(*command("room", "rnd", 0, tmp_path, None)[2:]).total_timesteps > 4000


def put_run(runs, maze, bonus, seed, successes, number=0):
    folder = runs / f"{maze}-{bonus}" / f"seed{seed}-{number}"
    folder.mkdir(parents=True)
    words = command(maze, bonus, seed, runs, 4000)[1:]
    (folder / "config.yaml").write_text(f"seed: {seed}\ntotal_timesteps: 4000\n")
    versions = {"git_commit": "0123456789", "git_dirty": False, "command": " ".join(["python", *words])}
    (folder / "versions.json").write_text(json.dumps(versions))
    lines = [f"{1000 * (1 + i)},{success}" for i, success in enumerate(successes)]
    (folder / "metrics.csv").write_text("\n".join(["time/total_timesteps,eval/success_rate", *lines, ""]))
    return folder


def finish(folder, success):
    content = {"intact": {"success": success}, "episodes": 100, "memory": "episodic"}
    (folder / "evaluation.json").write_text(json.dumps(content))


def test_what_was_evaluated_is_not_trained_again_and_stands_in_the_table(tmp_path):
    for seed, successes in ((0, ["", 0.5, 0.95]), (1, [0.2, 0.3, 0.4])):
        finish(put_run(tmp_path, "room", "rnd", seed, successes), 0.25 * (1 + seed))
    stopped = put_run(tmp_path, "room", "sights", 0, [0.9])
    asked = (["room"], ["sights", "rnd"], [0, 1, 2])
    to_be_made = [("sights", 0), ("sights", 1), ("sights", 2), ("rnd", 2)]
    assert [*missing(*asked, tmp_path)] == [("room", *one) for one in to_be_made]
    table = table_of("room", *asked[1:], tmp_path)
    assert [row.name for row in table.rows] == ["rnd"]
    assert table.rows[0].values["as trained"]["greedy"] == [0.25, 0.5]
    assert table.rows[0].note == "First 90% in validation, of each seed: 0.00M, never."
    assert reached_after(evaluated("room", "rnd", 0, tmp_path)) == "0.00M"
    assert "ppo.bonus=rnd" in table.markdown()
    again = put_run(tmp_path, "room", "sights", 0, [0.1], number=1)
    finish(again, 1.0)
    assert evaluated("room", "sights", 0, tmp_path) == again != stopped


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--bonuses", "curiosity"], "invalid choice: 'curiosity'"), (["--steps", "0"], "--steps: '0' must be")],
)
def test_a_wrong_argument_is_one_line(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bonuses", *arguments])
    with pytest.raises(SystemExit):
        main()
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
