"""The evaluation script's horizons, on a tiny run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tiny_runs import as_another_seed, copy_of_run, sign

from engram.cli.evaluate import main
from engram.evidence.evaluation.run import PlannedCondition, play


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a copy of the tiny run."""
    return copy_of_run(tmp_path / "run")


def test_the_horizon_is_measured_by_itself(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "evaluation.json").read_bytes()
    assert main([str(run), "--episodes", "3", "--horizon", "2e1", "3"]) == 0
    found = json.loads((run / "horizon.json").read_text())
    assert [point["delay"] for point in found["points"]] == [3, 20]
    assert {point["episodes"] for point in found["points"]} == {3}
    assert (found["trained"], found["chance"]) == ([2, 20], 0.5)
    assert "Effective memory length" in capsys.readouterr().out
    assert (run / "horizon.png").read_bytes()[1:4] == b"PNG"
    assert (run / "evaluation.json").read_bytes() == before


class Code:
    """The code that measures, as far as the record tells."""

    git_dirty: bool | None = False
    calls = 0

    def made_by(self) -> dict:
        self.calls += 1
        return {"command": f"call {self.calls}", "git_commit": "0123456", "git_dirty": self.git_dirty}


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Code:
    """Return what stands for the working copy, which may have changes."""
    code = Code()
    monkeypatch.setattr("engram.evidence.horizon.measure.made_by", code.made_by)
    return code


def test_a_delay_is_measured_once(run: Path, capsys: pytest.CaptureFixture[str], code: Code) -> None:
    def points(*arguments: str) -> dict:
        assert main([str(run), "--episodes", "3", "--horizon", *arguments]) == 0
        return {point["delay"]: point for point in json.loads((run / "horizon.json").read_text())["points"]}

    points("3", "20")
    marked = json.loads((run / "horizon.json").read_text())
    marked["points"][0]["mean_return"] = 77.0
    (run / "horizon.json").write_text(json.dumps(marked))
    capsys.readouterr()
    found = points("3", "30")
    assert list(found) == [3, 20, 30]
    assert found[3]["mean_return"] == 77.0
    assert "measured before, and kept: delay 3 (" in capsys.readouterr().err
    assert not (run / "earlier").exists()
    assert list(points("3", "30", "--again")) == [3, 30]
    again = json.loads((run / "horizon.json").read_text())
    assert again["points"][0]["mean_return"] <= 1
    assert main([str(run), "--episodes", "4", "--horizon", "30"]) == 0
    assert [point["episodes"] for point in json.loads((run / "horizon.json").read_text())["points"]] == [4]
    assert len(list((run / "earlier").glob("*/horizon.json"))) == 2


def test_with_the_memory_left_alone_it_is_not_wiped_until_that_is_asked_for(run: Path, code: Code) -> None:
    def wiped(*arguments: str) -> list[bool]:
        assert main([str(run), "--episodes", "3", "--horizon", *arguments]) == 0
        return [point["wiped"] is not None for point in json.loads((run / "horizon.json").read_text())["points"]]

    assert wiped("3", "--intact-only") == [False]
    assert wiped("3", "5") == [True, True]
    assert wiped("3", "7", "--intact-only") == [True, True, False]
    assert wiped("9") == [True, True, False, True], "what was not asked for stays as it was"


def test_every_delay_has_what_it_was_measured_with(run: Path, code: Code) -> None:
    for delays in (["3", "20"], ["30", "3"]):
        assert main([str(run), "--episodes", "3", "--horizon", *delays]) == 0
    found = json.loads((run / "horizon.json").read_text())
    assert [point["command"] for point in found["points"]] == ["call 1", "call 1", "call 2"]
    assert {(point["git_commit"], point["git_dirty"]) for point in found["points"]} == {("0123456", False)}
    assert found["command"] == "call 1 && call 2"


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True), (None, None)])
def test_what_uncommitted_code_measured_is_not_kept(
    run: Path, capsys: pytest.CaptureFixture[str], code: Code, then: bool | None, now: bool | None
) -> None:
    code.git_dirty = then
    assert main([str(run), "--episodes", "3", "--horizon", "3", "20"]) == 0
    code.git_dirty = now
    capsys.readouterr()
    assert main([str(run), "--episodes", "3", "--horizon", "3"]) == 0
    (point,) = json.loads((run / "horizon.json").read_text())["points"]
    assert (point["command"], point["git_dirty"]) == ("call 2", now)
    assert ("nothing measured before is kept" in capsys.readouterr().err) == (now is not False)


def test_a_file_that_was_edited_is_measured_anew(run: Path, code: Code) -> None:
    assert main([str(run), "--episodes", "3", "--horizon", "3", "20"]) == 0
    edited = json.loads((run / "horizon.json").read_text())
    edited["points"][0]["success"] = "x"
    (run / "horizon.json").write_text(json.dumps(edited))
    assert main([str(run), "--episodes", "3", "--horizon", "3"]) == 0
    (point,) = json.loads((run / "horizon.json").read_text())["points"]
    assert 0 <= point["success"] <= 1


def test_a_task_without_a_delay_has_no_horizon(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = run / "config.yaml"
    content = yaml.safe_load(config.read_text())
    assert main([str(run), "--compare-only", "--horizon", "999"]) == 2
    content["env"]["kwargs"] = {}
    config.write_text(yaml.safe_dump(content))
    sign(run)
    assert main([str(run), "--horizon"]) == 2
    assert main([str(run), "--compare-only", "--horizon"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert "there is no horizon.json; make it with: " in said[0]
    assert said[1].startswith("evaluate.py: --horizon: Engram-TMaze-v0 has no env.kwargs.delay")
    assert said[2].startswith("evaluate.py: --horizon: ")


def test_an_interruption_loses_no_delay_that_was_measured(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(model: object, planned: PlannedCondition, *arguments: object, **more: object) -> object:
        if planned.condition.setting == "delay 20":
            raise KeyboardInterrupt
        return play(model, planned, *arguments, **more)

    monkeypatch.setattr("engram.evidence.horizon.measure.play", interrupted)
    assert main([str(run), "--episodes", "3", "--horizon", "20", "3"]) == 130
    assert [point["delay"] for point in json.loads((run / "horizon.json").read_text())["points"]] == [3]
    assert (run / "horizon.png").is_file()


def test_horizons_of_several_runs_end_in_one_figure(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = as_another_seed(run, tmp_path / "other", 7)
    out = tmp_path / "together" / "both"
    assert main([str(run), str(other), "--episodes", "3", "--horizon", "3", "20", "--out", str(out)]) == 0
    assert {path.name for path in out.parent.iterdir()} == {"both.json", "both.png", "both.svg"}
    (agent,) = json.loads(out.with_suffix(".json").read_text())["agents"].values()
    assert (agent["seeds"], [point["episodes"] for point in agent["points"]]) == ([0, 7], [6, 6])
    out_text = capsys.readouterr().out
    assert "Engram-TMaze-v0: horizon" in out_text
    assert "Fewer than 5 seeds" in out_text
    assert main([str(run), str(other), "--compare-only", "--horizon", "3", "999", "--out", str(out)]) == 2
    assert f"{run}: delay 999 was not measured; measure it with: " in capsys.readouterr().err
    assert main([str(run), str(other), "--compare-only", "--horizon", "3", "--out", str(out)]) == 0
    (agent,) = json.loads(out.with_suffix(".json").read_text())["agents"].values()
    assert [point["delay"] for point in agent["points"]] == [3]
    (other / "horizon.json").unlink()
    capsys.readouterr()
    assert main([str(run), str(other), "--horizon", "--compare-only", "--out", str(out)]) == 0
    assert f"Left out: {other}: there is no horizon.json; make it with" in " ".join(capsys.readouterr().out.split())
    (run / "horizon.json").unlink()
    assert main([str(run), str(other), "--horizon", "--compare-only", "--out", str(out)]) == 2
    assert "there is no horizon.json; make it with" in capsys.readouterr().err


@pytest.mark.parametrize("delay", ["1.5", "inf", "nan", "long"])
def test_a_delay_is_a_whole_number(run: Path, capsys: pytest.CaptureFixture[str], delay: str) -> None:
    with pytest.raises(SystemExit):
        main([str(run), "--horizon", delay])
    assert f"invalid delay value: '{delay}'" in capsys.readouterr().err
