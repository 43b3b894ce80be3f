"""The evaluation script on a tiny run."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tiny_runs import as_another_seed, copy_of_run, tiny_run

from engram.cli.evaluate import main
from engram.evidence.evaluation.certificate import CERTIFICATE
from engram.evidence.runs.open import load_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a copy of the tiny run."""
    return copy_of_run(tmp_path / "run")


def evaluation(run: Path) -> dict:
    return json.loads((run / "evaluation.json").read_text())


def explanation(page: Path) -> dict:
    return json.loads(re.findall(r'<script[^>]*"application/json"[^>]*>(.*?)</script>', page.read_text(), re.DOTALL)[0])


def test_training_ends_with_the_evaluation_of_the_best_model() -> None:
    found = evaluation(tiny_run())
    assert found["checkpoint"] == "best"
    assert found["split"] == "test"
    assert found["success"] == found["intact"]["success"]
    assert set(found["sampled"]) == {"intact", "wiped"}
    for score in (found["intact"], found["wiped"], found["controller_wiped"], found["both_wiped"]):
        assert score["episodes"] == 6
        assert 0 <= score["success_low"] <= score["success"] <= score["success_high"] <= 1
        assert score["mean_length"] > 0
    assert f"{found['success']:.1%} intact" in found["verdict"]
    assert found["verdict"] == found["certificate"]["sentence"]


def test_no_layout_of_the_test_was_trained_on() -> None:
    found = evaluation(tiny_run())
    assert found["layouts_trained_on"] > 0
    assert found["layouts_tested"] > 0
    assert found["layouts_in_both"] == 0


def test_same_command_same_result(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--episodes", "6", "--no-test-settings"]) == 0
    first = evaluation(run)
    assert main([str(run), "--episodes", "6", "--no-test-settings"]) == 0
    second = evaluation(run)
    deterministic = ("intact", "wiped", "controller_wiped", "both_wiped", "success", "layouts_tested")
    assert [first[key] for key in deterministic] == [second[key] for key in deterministic]
    assert "test_settings" not in second


def test_delays_of_ones_own_are_played(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--episodes", "3", "--delays", "23", "29", "--checkpoint", "latest", "--seed", "5"]) == 0
    found = evaluation(run)
    assert set(found["test_settings"]) == {"delay=23", "delay=29"}
    # Twice the shortest solution at most, the choice included.
    assert 29 < found["test_settings"]["delay=29"]["intact"]["mean_length"] <= 60
    assert (found["checkpoint"], found["seed"], found["episodes"]) == ("latest", 5, 3)
    table = capsys.readouterr().out
    assert "delay=29" in table
    assert found["verdict"] in table


def test_delays_of_the_training_are_told_from_those_that_were_never_met(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), "--episodes", "3", "--delays", "10", "29"]) == 0
    assert evaluation(run)["layouts_in_both"] == 0
    both = evaluation(run)["test_settings_layouts_in_both"]
    assert list(both) == ["delay=10", "delay=29"]
    assert both["delay=10"] > 0
    assert both["delay=29"] == 0
    told = f"delay=10: {both['delay=10']} of the layouts that it was tested on had been trained on."
    said = capsys.readouterr()
    assert [line for line in (said.out + said.err).splitlines() if "trained on" in line] == [told]


def test_a_certificate_has_every_intervention(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--episodes", "4", "--no-test-settings", "--certificate"]) == 0
    found = evaluation(run)
    conditions = found["certificate"]["conditions"]
    assert list(conditions) == list(CERTIFICATE)
    for name, score in conditions.items():
        assert score["episodes"] == 6  # of three envs as many
        assert found[name] == {key: score[key] for key in found[name]}
        assert (score["difference"] is None) == (name == "intact")
        assert score["looked_again"] == {"episodes": 0, "success": None}  # there is no way back
    assert found["verdict"] == found["certificate"]["sentence"]
    assert "certificate of memory" in capsys.readouterr().out
    rows = list(csv.DictReader((run / "evaluation.csv").open()))
    assert {row["intervention"] for row in rows} == set(CERTIFICATE)


def test_a_chance_level_can_be_given_where_the_training_knew_none(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run / "config.yaml"
    config.write_text(re.sub(r"(?m)^  chance: .*$", "  chance: null", config.read_text()))
    few = [str(run), "--episodes", "3", "--no-test-settings"]
    assert main(few) == 0
    assert evaluation(run)["certificate"]["verdict"] == "chance is unknown"
    assert main([*few, "--chance", "0.25"]) == 0
    assert evaluation(run)["chance"] == 0.25
    assert evaluation(run)["certificate"]["verdict"] != "chance is unknown"
    assert main([*few, "--chance", "50"]) == 2
    assert "--chance 50.0: must be from 0 to 1" in capsys.readouterr().err


def test_only_the_intact_agent_is_played_where_that_is_asked_for(run: Path) -> None:
    assert main([str(run), "--episodes", "2", "--intact-only"]) == 0
    found = evaluation(run)
    assert list(found["certificate"]["conditions"]) == ["intact"]
    assert not {"wiped", "sampled", "test_settings"} & set(found)
    assert found["certificate"]["verdict"] is None


def test_every_episode_is_written_with_its_layout_and_layouts_are_played_equally_often(run: Path) -> None:
    assert main([str(run), "--episodes", "21", "--no-test-settings"]) == 0
    rows = list(csv.DictReader((run / "episodes.csv").open()))
    found = evaluation(run)
    played: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        played.setdefault((row["intervention"], row["deterministic"]), Counter())[row["layout"]] += 1
    assert len(played) == 6
    for counts in played.values():
        assert counts.total() == 21
        assert max(counts.values()) - min(counts.values()) <= 1
        assert counts == played["intact", "True"]  # the same episodes whatever is done to the agent
    assert len(counts) == found["intact"]["distinct_layouts"] == found["layouts_tested"] > 1
    assert found["intact"]["most_per_layout"] == max(counts.values())
    intact = [row for row in rows if (row["intervention"], row["deterministic"]) == ("intact", "True")]
    assert sum(row["success"] == "True" for row in intact) / 21 == found["success"]
    assert sum(float(row["return"]) for row in intact) / 21 == pytest.approx(found["intact"]["mean_return"])


def test_an_episode_is_explained_on_a_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--explain", "0", "2"]) == 0
    pages = [run / "explained" / f"episode{number}.html" for number in (0, 2)]
    assert [line.removeprefix("written to ") for line in capsys.readouterr().out.splitlines()] == [*map(str, pages)]
    explained = [explanation(page) for page in pages]
    assert [made["episode"] for made in explained] == [0, 2]
    for made in explained:
        assert made["length"] == len(made["steps"])
        assert made["steps"][0]["caption"].startswith("cue ")
        assert (made["slots"], made["heads"]) == (7, 2)
        assert made["action_names"] == ["forward", "up", "down", "back"]
    assert explained[0]["steps"] != explained[1]["steps"]
    assert main([str(run), "--explain", "2"]) == 0  # the same number is the same episode
    assert explanation(pages[1])["steps"] == explained[1]["steps"]


def test_the_episode_that_is_explained_is_the_row_of_episodes_csv(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--episodes", "21", "--seed", "5"]
    assert main([str(run), "--intact-only", *asked]) == 0
    rows = list(csv.DictReader((run / "episodes.csv").open()))
    numbers = [0, 6, 7, 20]
    assert main([str(run), "--seed", "5", "--explain", *map(str, numbers)]) == 0
    for number in numbers:
        made, row = explanation(run / "explained" / f"episode{number}.html"), rows[number]
        assert (row["intervention"], row["deterministic"], row["episode"]) == ("intact", "True", str(number))
        assert (made["layout"], made["length"]) == (row["layout"], int(row["length"]))
        assert made["return"] == pytest.approx(float(row["return"]), abs=1e-5)
        assert str(made["success"]) == row["success"]
        assert made["notes"][0] == f"episode {number} of the 21 of evaluate.py --seed 5 --episodes 21"
        assert made["notes"][1].startswith("it went as episodes.csv has it")
    assert len({rows[number]["layout"] for number in numbers}) > 1
    capsys.readouterr()
    assert main([str(run), "--explain", "0"]) == 0
    assert "episodes.csv is of another evaluation (--seed 5 " in capsys.readouterr().err
    assert main([str(run), "--seed", "5", "--explain", "21"]) == 2
    assert "--explain 21: there is no such episode; the evaluation has 21" in capsys.readouterr().err


def test_an_earlier_page_is_kept(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--explain", "1"]) == 0
    page = run / "explained" / "episode1.html"
    before = page.read_bytes()
    capsys.readouterr()
    assert main([str(run), "--explain", "1", "--seed", "7"]) == 0
    assert explanation(page)["seed"] == 7
    (kept,) = (run / "earlier").glob("*/episode1.html")
    assert kept.read_bytes() == before
    assert f"the results before are in {kept.parent}" in capsys.readouterr().err


def test_runs_are_compared_as_they_were_evaluated(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = as_another_seed(run, tmp_path / "other", 7)
    before = (run / "evaluation.json").read_bytes()
    out = tmp_path / "compared" / "both"
    assert main([str(run), str(other), "--compare-only", "--out", str(out)]) == 0
    assert (run / "evaluation.json").read_bytes() == before
    assert {path.suffix for path in out.parent.iterdir()} >= {".json", ".csv", ".png", ".svg"}
    assert "Engram-TMaze-v0" in out.with_suffix(".json").read_text()
    # What others lack hides nothing.
    (other / "evaluation.json").unlink()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.yaml").write_text("{")
    capsys.readouterr()
    assert main([str(run), str(other), str(tmp_path / "broken"), "--compare-only", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert f"Left out: {other}: there is no evaluation.json" in " ".join(said.out.split())
    assert f"left out: {tmp_path / 'broken' / 'config.yaml'}" in said.err
    figure = out.with_name(f"{out.name}.png").read_bytes()
    out.with_name(f"{out.name}.json").write_text('{"about": "my garden"}')
    assert main([str(run), str(other), "--compare-only", "--out", str(out)]) == 2
    assert "was not written by this command" in capsys.readouterr().err
    assert out.with_name(f"{out.name}.png").read_bytes() == figure
    assert main([str(tmp_path / "no*"), "--compare-only"]) == 2
    assert "no*" in capsys.readouterr().err


def test_a_folder_that_cannot_be_played_does_not_stop_the_others(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, dead, last = (as_another_seed(run, tmp_path / name, seed) for seed, name in enumerate("abc", start=7))
    for checkpoint in dead.glob("*.zip"):
        checkpoint.unlink()
    (dead / "evaluation.json").unlink()
    out = tmp_path / "compared"
    played = ["--episodes", "2", "--intact-only", "--out", str(out)]
    assert main([str(first), str(dead), str(last), *played]) == 2
    said = capsys.readouterr()
    assert f"left out: {dead}" in said.err
    assert f"1 of 3 runs could not be evaluated: {dead}" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert [evaluation(folder)["intact"]["episodes"] for folder in (first, last)] == [2, 2]
    assert out.with_suffix(".json").is_file()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--sizes", "13"], "no size"),
        (["--explain", "-1"], "--explain -1: there is no such episode"),
        (["--delays", "0"], "at least 1"),
        (["--seed", "-1"], "--seed -1: must be from 0"),
        (["--episodes", "0"], "at least 1"),
        (["--horizon", "0"], "evaluate.py: --horizon: 0 must be"),
        (["--horizon", "--certificate"], "--horizon and --certificate: one after the other"),
        (["--horizon", "5", "--delays", "7"], "--horizon and --delays: one after the other"),
        (["--explain", "0", "--certificate"], "--explain and --certificate: one after the other"),
        (["--explain", "0", "--horizon"], "--explain and --horizon: one after the other"),
        (["--intact-only", "--certificate"], "--intact-only and --certificate: a certificate is of what"),
        (["--compare-only", "--certificate"], "--compare-only and --certificate: --compare-only plays nothing"),
        (["--compare-only", "--chance", "0.5"], "--compare-only and --chance: --compare-only plays nothing"),
        (["--compare-only", "--seed", "0"], "--compare-only and --seed: --compare-only plays nothing"),
        (["--compare-only", "--checkpoint", "best"], "--compare-only and --checkpoint: --compare-only plays"),
        (["--out", "elsewhere"], "--out: it names the files of a comparison"),
        (["--explain", "0", "--intact-only"], "--explain and --intact-only: one after the other"),
        (["--again"], "--again: it belongs to --horizon"),
        (["--device", "nonsense"], "--device nonsense: torch cannot use it here; take --device auto"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    before = (run / "evaluation.json").read_bytes()
    assert main([str(run), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert named in err
    assert (run / "evaluation.json").read_bytes() == before


def _without(run: Path, *names: str) -> None:
    for name in names:
        (run / name).unlink()


@pytest.mark.parametrize(
    ("missing", "arguments", "named"),
    [
        (["config.yaml"], [], "config.yaml"),
        (["best.zip", "latest.zip"], [], "no model"),
        (["best.zip"], ["--checkpoint", "best"], "--checkpoint latest"),
    ],
)
def test_run_folder_that_lacks_something_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], missing: list[str], arguments: list[str], named: str
) -> None:
    _without(run, *missing, "evaluation.json")
    before = sorted(run.iterdir())
    assert main([str(run), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert named in err
    assert sorted(run.iterdir()) == before


def test_latest_is_taken_where_no_best_was_found(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _without(run, "best.zip")
    assert main([str(run), "--episodes", "2", "--no-test-settings"]) == 0
    assert evaluation(run)["checkpoint"] == "latest"


def test_unknown_training_layouts_are_not_called_none(run: Path) -> None:
    (run / "layouts.txt").unlink()
    assert main([str(run), "--episodes", "3", "--no-test-settings"]) == 0
    found = evaluation(run)
    assert found["layouts_trained_on"] is None
    assert found["layouts_in_both"] is None
    assert found["layouts_tested"] > 0


@pytest.mark.parametrize("kept", [0, 12, -100])
def test_where_the_best_is_damaged_the_latest_is_taken_and_said(
    run: Path, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    (run / "best.zip").write_bytes((run / "best.zip").read_bytes()[:kept])
    assert main([str(run), "--episodes", "2", "--intact-only"]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "best.zip" in line]
    assert len(warned) == 1
    assert re.fullmatch(
        rf"warning: {re.escape(str(run / 'best.zip'))}: cannot be loaded \(.+\); latest.zip is taken instead", warned[0]
    )
    found = evaluation(run)
    assert (found["checkpoint"], found["checkpoint_timesteps"]) == ("latest", 576)
    assert main([str(run), "--checkpoint", "best"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.warns(UserWarning, match="latest.zip is taken instead"):
        assert load_run(run, device="cpu").model.num_timesteps == 576


def test_broken_models_or_config_are_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("best.zip", "latest.zip"):
        (run / name).write_bytes(b"PK not quite")
    assert main([str(run)]) == 2
    (run / "config.yaml").write_text("env: [\n")
    assert main([str(run)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "best.zip" in lines[0]
    assert "latest.zip" in lines[0]
    assert "config.yaml" in lines[1]


def test_a_model_of_another_commit_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "best.zip").write_bytes(b"PK not quite")
    versions = json.loads((run / "versions.json").read_text())
    of_best = [str(run), "--checkpoint", "best"]
    assert main(of_best) == 2
    assert "is of commit" not in capsys.readouterr().err
    (run / "versions.json").write_text(json.dumps({**versions, "git_commit": "0123456789"}))
    assert main(of_best) == 2
    assert "the run is of commit 0123456, this is " in capsys.readouterr().err


def test_command_line_as_it_is_typed(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "evaluate.py"), "runs/nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert done.returncode == 2
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "runs/nowhere" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_was_renamed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["somewhere", "--no-harder"])
    assert capsys.readouterr().err.endswith("--no-harder: is called --no-test-settings now; see --help\n")
