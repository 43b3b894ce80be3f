"""The report script on runs that were made up."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_runs import add_horizon, add_metrics, certificate, fake_run, score

from engram.cli.report import main
from engram.evidence.report.cost import cost_row

ROOT = Path(__file__).parents[2]
FIGURES = ("comparison", "curves-training", "curves-validation", "horizon")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder with three seeds of an agent and two of a control, with everything that a run can have."""
    folder = tmp_path / "runs"
    shown = certificate("needs its memory", intact=38, wiped=20, wiped_after_cue=21, reads_shuffled=19)
    for seed in range(3):
        run = fake_run(folder, seed=seed, test_settings={"delay=60": 37}, evaluation={"certificate": shown})
        add_metrics(run, lambda step, seed=seed: min(1.0, (step + seed) / 900))
        add_horizon(run, {1: 40, 30: 38 + seed, 1000: 39})
    for seed in range(2):
        run = fake_run(folder, "none", seed=seed, successes=20 + seed, evaluation={"certificate": shown})
        add_metrics(run, lambda step, seed=seed: 0.5 + seed / 100)
        add_horizon(run, {1: 30, 30: 22, 1000: 20}, 12)
    return folder


class _Page(HTMLParser):
    """What is on a page: its text, its pictures, what it loads, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.pictures, self.open = "", list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe"), "a page that needs no other file"
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(folder: Path) -> _Page:
    page = _Page((folder / "report.html").read_text())
    assert page.open == []
    for picture in page.pictures:
        kind, content = picture.split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert b"<svg" in base64.b64decode(content)
    return page


def test_everything_is_on_the_page(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "report"
    assert main([str(runs), "--out", str(out), "--title", "Room <1>"]) == 0
    assert capsys.readouterr() == (f"written to {out / 'report.html'}\n", "")
    page = page_of(out)
    assert len(page.pictures) == 4
    for words in (
        "Room <1>",
        "Engram-TMaze-v0",
        "95.0 % (95.0, 95.0, 95.0)",  # success of three seeds
        "seeds: over 1,000; over 1,000; over 1,000",
        "needs its memory (3 of 3)",
        "The verdict is <needs its memory>.",
        "3 of 40 episodes, 100 % of them right",
        "In another setting than trained, delay=60",
        "1,000",  # steps
        "python train.py env=tmaze",
        "python evaluate.py RUN --horizon",
        "0123456",
    ):
        assert words in page.text
    assert "no learning curve" not in page.text
    assert "--certificate" not in page.text
    assert "there is no" not in page.text
    (few, *_) = json.loads((out / "horizon.json").read_text())["caveats"]
    assert few.startswith("Fewer than 5 seeds")
    assert page.text.count(few) == 2, "said of the scores, and of the horizons"
    files = {path.name for path in out.iterdir()}
    assert files == {"report.html", "comparison.csv", "comparison.json", "horizon.json"} | {
        f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")
    }


def test_every_figure_has_the_command_that_made_it(runs: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "report.py"), "runs/*/seed*", "--out", "report"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=dict(os.environ))
    assert (done.returncode, done.stdout, done.stderr) == (0, "written to report/report.html\n", "")
    captions = re.findall(
        "<figcaption>(.*?)</figcaption>", (tmp_path / "report" / "report.html").read_text(), re.DOTALL
    )
    assert len(captions) == 4
    for caption in captions:
        assert "report.py &#39;runs/*/seed*&#39; --out report</code>" in caption


def test_what_is_missing_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / "runs", seed=seed) for seed in range(3)]
    (runs[1] / "evaluation.json").unlink()
    assert main([*map(str, runs), "--out", str(tmp_path / "report")]) == 0
    page = page_of(tmp_path / "report")
    assert len(page.pictures) == 1  # the comparison of the other two
    for words in (
        f"no learning curve of the training side: {runs[0]}: there is no metrics.csv",
        f"{runs[1]}: there is no evaluation.json; make it with: python evaluate.py {runs[1]}",
        f"{runs[0]}: there is no certificate.json; make it with: python evaluate.py {runs[0]} --certificate (and",
        f"{runs[0]}: there is no horizon.json; make it with: python evaluate.py {runs[0]} --horizon (and 2 more runs)",
    ):
        assert words in page.text


def test_a_training_that_was_stopped_or_failed_is_marked_and_is_no_seed_of_the_others(
    runs: Path, tmp_path: Path
) -> None:
    seeds = sorted((runs / "tmaze-episodic-lstm").iterdir())
    add_metrics(seeds[1], lambda step: step / 900, steps=range(100, 500, 100))
    add_metrics(seeds[2], lambda step: step / 900, steps=range(100, 800, 100))
    for seed in seeds[::2]:  # the first one failed in its evaluation, when it had been trained to the end
        (seed / "failure.json").write_text(json.dumps({"error": "it broke", "timesteps": 777}))
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 0
    page = page_of(tmp_path / "report")
    assert "episodic-lstm, after 400 of 1,000 steps" in page.text
    assert "episodic-lstm, failed after 777 of 1,000 steps" in page.text
    assert page.text.count(f"{seeds[1]} after 400 of 1,000 steps; {seeds[2]} failed after 777 of 1,000 steps.") == 2
    table = json.loads((tmp_path / "report" / "comparison.json").read_text())["agents"]
    assert [agent["seeds"] for agent in table if "episodic" in agent["label"]] == [[0], [1], [2]]


def test_nothing_but_configs_is_a_page_all_the_same(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "runs", kwargs={})
    for file in run.iterdir():
        if file.name != "config.yaml":
            file.unlink()
    assert main([str(run), "--out", str(tmp_path / "report")]) == 0
    page = page_of(tmp_path / "report")
    assert page.pictures == []
    assert "This task has no delay that could be varied." in page.text


def test_files_that_are_broken_are_no_crash(runs: Path, tmp_path: Path) -> None:
    seeds = sorted((runs / "tmaze-episodic-lstm").iterdir())
    (seeds[0] / "evaluation.json").write_text("{")
    (seeds[0] / "horizon.json").write_text('{"by": "delay", "points": [{"delay": 3}]}')
    (seeds[1] / "metrics.csv").write_text("time/total_timesteps\n100\n")
    (seeds[1] / "versions.json").write_text("?")
    (seeds[1] / "evaluation.json").write_text(
        json.dumps({**json.loads((seeds[1] / "evaluation.json").read_text()), "certificate": None})
    )
    (seeds[2] / "evaluation.json").write_text((seeds[2] / "evaluation.json").read_text().replace("reads_shuffled", "_"))
    (seeds[2] / "horizon.json").write_text('{"by": "size"}')
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 0
    page = page_of(tmp_path / "report")
    for words in (
        "evaluation.json: cannot be read",
        "horizon.json: it lacks 'points[0].episodes', as an older format does; make it anew",
        "there is no metric 'rollout/success_rate'",
        f"{seeds[0]}: there is no certificate.json; make it with: python evaluate.py {seeds[0]} --certificate (and",
    ):
        assert words in page.text
    assert len(page.pictures) == 4


def test_a_certificate_says_how_it_was_played_and_where_that_is_not_how_the_scores_were(
    runs: Path, tmp_path: Path
) -> None:
    run = runs / "tmaze-episodic-lstm" / "seed1"
    shown = certificate("needs its memory", intact=38, wiped=20, reads_shuffled=19)
    about = {
        key: value for key, value in json.loads((run / "evaluation.json").read_text()).items() if key != "test_settings"
    }
    shown["conditions"]["intact"] = score(17, 20)
    how = {"checkpoint": "latest", "checkpoint_timesteps": 12345, "episodes": 20, "command": "certified so"}
    (run / "certificate.json").write_text(json.dumps({**about, **how, **shown}))
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 0
    content = (tmp_path / "report" / "report.html").read_text()
    # Only the one; all others are a part of their evaluation.
    assert (
        "Not played as the scores on the test side were: episodic-lstm, seed 1 "
        "(checkpoint latest, there best; steps of training 12,345, there -; episodes 20, there 40).</p>"
    ) in content
    rows = re.findall("<tr><td>episodic-lstm</td><td class=.n.>(.*?)</tr>", content)
    (of_file,) = [row for row in rows if "certified so" in row]
    assert '1</td><td>latest (12,345 steps)</td><td class="n">20</td>' in of_file
    (of_evaluation,) = [row for row in rows if row.startswith("0</td><td>best</td>")]
    assert f"<td>python evaluate.py {runs / 'tmaze-episodic-lstm' / 'seed0'}</td>" in of_evaluation
    # Without an evaluation there is nothing to compare with.
    (run / "evaluation.json").unlink()
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 0
    assert "Not played as" not in page_of(tmp_path / "report").text
    assert "certified so" in page_of(tmp_path / "report").text


def test_where_success_is_not_told_the_certificate_shows_returns(tmp_path: Path) -> None:
    conditions = {
        name: {**score(None, mean_return=mean), "return_low": mean - 0.125, "return_high": mean + 0.125}
        for name, mean in (("intact", 0.75), ("wiped", -0.5), ("reads_shuffled", -0.25), ("wiped_after_cue", 0.5))
    }
    shown = {"verdict": "needs its memory", "sentence": "It needs it.", "conditions": conditions}
    run = fake_run(tmp_path / "runs", successes=None, wiped=None, evaluation={"certificate": shown})
    assert main([str(run), "--out", str(tmp_path / "report")]) == 0
    text = page_of(tmp_path / "report").text
    for words in (
        "0.750 (0.625-0.875)",
        "-0.500 (-0.625 to -0.375)",
        "and its return then",
        "95 % interval over episodes of this agent",
    ):
        assert words in text
    assert "its success then" not in text
    assert "looked again" not in text


def test_a_certificate_has_no_row_for_a_memory_or_a_state_that_is_not_there(tmp_path: Path) -> None:
    of_memory, of_state = {"wiped": 39, "reads_shuffled": 38}, {"controller_wiped": 37}
    for memory, controller, played in (("none", "lstm", of_state), ("episodic", "feedforward", of_memory)):
        shown = certificate("does not use it", intact=40, **played)
        fake_run(tmp_path / "runs", memory, controller, evaluation={"certificate": shown})
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "report")]) == 0
    content = (tmp_path / "report" / "report.html").read_text()
    (head,) = re.findall("<tr><th></th>(.*?)</tr>", content)
    order = re.findall("<th>(.*?)</th>", head)
    for meaning, share in (("memory wiped before every step", "97.5"), ("controller wiped before every step", "92.5")):
        (row,) = re.findall(f"<tr><td>{meaning}</td>(.*?)</tr>", content)
        cells = dict(zip(order, re.findall("<td.*?>(.*?)</td>", row), strict=True))
        has, lacks = (
            ("episodic-feedforward", "none-lstm") if "memory" in meaning else ("none-lstm", "episodic-feedforward")
        )
        assert cells[has].startswith(share)
        assert cells[lacks] == "-"
    assert "there is nothing to do it to" in content


def test_tasks_have_sections_and_files_of_their_own(runs: Path, tmp_path: Path) -> None:
    fake_run(runs, name="room", id="Engram-RoomS11-v0")
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 0
    headings = re.findall("<h2[^>]*>(.*?)</h2>", (tmp_path / "report" / "report.html").read_text())
    assert headings == ["Engram-RoomS11-v0", "Engram-TMaze-v0"]
    assert (tmp_path / "report" / "Engram-RoomS11-v0-comparison.png").is_file()
    assert (tmp_path / "report" / "Engram-TMaze-v0-horizon.svg").is_file()


def test_a_folder_that_is_no_run_of_ours_is_left_out_and_named(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "strange").mkdir()
    (runs / "strange" / "config.yaml").write_text("a: 1\n")
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 0
    wrong = f"{runs / 'strange' / 'config.yaml'}: not the config of a run, for it has no env.id"
    assert capsys.readouterr().err == f"report.py: left out: {wrong}\n"
    assert wrong in page_of(tmp_path / "report").text
    assert main([str(runs / "strange"), "--out", str(tmp_path / "report")]) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere", "--out", "report"], "nowhere: there is no such run folder"),
        ([".", "--out", "report"], "no run folder"),
        (["nowhere"], "--out"),
        (["--out", "report"], "RUNS"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert named in err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_one_line(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").write_text("")
    assert main([str(runs), "--out", str(tmp_path / "report")]) == 2
    assert "cannot be written (File exists)" in capsys.readouterr().err


def test_a_folder_of_other_things_is_left_alone_and_an_earlier_report_is_not(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    out.mkdir()
    assert main([str(runs), "--out", str(out)]) == 0
    assert main([str(runs), "--out", str(out)]) == 0
    capsys.readouterr()
    (out / "report.html").write_text("mine")
    before = {file: file.read_bytes() for file in out.iterdir()}
    assert main([str(runs), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "was not written by this command; move it, or name another --out" in error
    assert error.count("\n") == 1
    assert {file: file.read_bytes() for file in out.iterdir()} == before


def test_help_says_what_it_takes_and_writes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    out = capsys.readouterr().out
    for words in ("python report.py 'runs/room-*/seed*'", "quoted or not", "report.html", "--out FOLDER"):
        assert words in out


def test_cost_is_what_was_recorded(runs: Path, tmp_path: Path) -> None:
    run = runs / "tmaze-episodic-lstm" / "seed0"
    assert cost_row([run]) == ("1,000", "2 min 22 s", "7", "-", "-")
    slower = tmp_path / "slower"
    slower.mkdir()
    (slower / "metrics.csv").write_text(
        "time/total_timesteps,time/time_elapsed,time/fps,time/parameters,time/peak_memory_mb\n"
        "10,60,9,12345,301.4\n1000,7322,7,,\n"
    )
    assert cost_row([run, slower, slower]) == ("1,000", "2 h 02 min (2 min 22 s to 2 h 02 min)", "7", "12,345", "301")
    assert cost_row([tmp_path]) == ("-",) * 5
