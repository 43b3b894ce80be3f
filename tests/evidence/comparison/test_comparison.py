"""Comparing runs that were made up: what is grouped, what is estimated, what is refused, what is written."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_runs import add_metrics, certificate, fake_run, score
from matplotlib.figure import Figure
from rich.console import Console

from engram.configs import CannotRun
from engram.evidence.comparison import compare as comparing
from engram.evidence.comparison import figure
from engram.evidence.comparison.compare import Comparison
from engram.evidence.comparison.figure import draw_comparison
from engram.evidence.comparison.table import print_comparison, score_rows, write_comparison
from engram.evidence.runs.recorded_run import find_runs, read_run
from engram.evidence.statistics import Estimate, interval_over_seeds


def compare(folders: Sequence[Path]) -> Comparison:
    """Compare run folders."""
    return comparing.compare([read_run(folder) for folder in folders])


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Return five seeds of an agent with a memory, five of a control and one of another, as in a folder of runs."""
    found = [
        fake_run(tmp_path, "episodic", seed=seed, successes=k, wiped=w, test_settings={"delay=60": k - 3})
        for seed, (k, w) in enumerate([(40, 20), (36, 18), (38, 22), (20, 21), (39, 4)])
    ]
    found += [fake_run(tmp_path, "none", seed=seed, successes=k) for seed, k in enumerate([22, 20, 36, 21, 23])]
    return [*found, fake_run(tmp_path, "none", "gru", seed=7, successes=30)]


def printed(comparison: Comparison, width: int = 120) -> str:
    text = io.StringIO()
    print_comparison(comparison, Console(file=text, width=width))
    return text.getvalue()


def test_runs_of_one_configuration_are_seeds_of_one_agent(folders: list[Path]) -> None:
    found = compare(folders)
    assert [(agent.label, agent.seeds, agent.is_control) for agent in found.agents] == [
        ("episodic-lstm", (0, 1, 2, 3, 4), False),
        ("none-gru", (7,), True),
        ("none-lstm", (0, 1, 2, 3, 4), True),
    ]
    assert (found.task, found.chance, found.metric) == ("Engram-TMaze-v0", 0.5, "success")
    assert found.agents[0].runs == tuple(map(str, folders[:5]))


def test_over_five_seeds_there_is_a_mean_with_its_interval_and_for_one_run_that_of_its_episodes(
    folders: list[Path],
) -> None:
    episodic, gru, _ = compare(folders).agents
    success = episodic.settings["as trained"]["success"]
    assert success is not None
    assert (success.value, success.over) == (pytest.approx((40 + 36 + 38 + 20 + 39) / 5 / 40), "seeds")
    assert (success.low, success.high) == pytest.approx(interval_over_seeds(success.by_run, "success"))
    assert success.by_run == (1.0, 0.9, 0.95, 0.5, 0.975)
    mean_return = episodic.settings["as trained"]["mean_return"]
    assert mean_return is not None
    assert (mean_return.low, mean_return.high) == pytest.approx(interval_over_seeds(mean_return.by_run, "return"))
    single = gru.settings["as trained"]
    assert single["success"] is not None
    assert single["mean_return"] is not None
    expected = score(30)
    assert (single["success"].low, single["success"].high) == (expected["success_low"], expected["success_high"])
    assert single["success"].over == "episodes"
    assert (single["mean_return"].value, single["mean_return"].low) == (pytest.approx(0.675), None)


def test_of_fewer_than_five_seeds_the_seeds_are_shown_and_nothing_is_concluded(folders: list[Path]) -> None:
    four = folders[:4] + folders[5:10]
    found = compare(four)
    success = found.agents[0].settings["as trained"]["success"]
    assert success == Estimate(pytest.approx(134 / 160), None, None, (1.0, 0.9, 0.95, 0.5), None)
    assert all(not agent.better_than for agent in found.agents)
    assert score_rows(found)[1][2] == "83.7 % (100.0, 90.0, 95.0, 50.0)"
    assert "better than" not in printed(found)


def test_wiped_is_known_only_of_agents_that_have_a_memory(folders: list[Path]) -> None:
    episodic, _, lstm = (agent.settings["as trained"] for agent in compare(folders).agents)
    assert episodic["wiped"] is not None
    assert episodic["wiped"].by_run == (0.5, 0.45, 0.55, 0.525, 0.1)
    assert episodic["wiped_return"] is not None
    assert lstm["wiped"] is None


def test_probability_of_improvement_over_each_control_of_five_runs(folders: list[Path]) -> None:
    episodic, gru, lstm = compare(folders).agents
    assert set(episodic.better_than) == {"none-lstm"}  # one run of the gru tells nothing of the next
    # Of 25 pairs: 40, 38, 39 beat all five; 36 beats four and ties with one; 20 loses four and ties with one.
    assert episodic.better_than["none-lstm"].value == pytest.approx((15 + 4.5 + 0.5) / 25)
    assert gru.better_than == lstm.better_than == {}


def test_every_controller_without_a_memory_is_a_control(tmp_path: Path) -> None:
    controls = ("lstm", "gru", "feedforward", "transformer")
    runs = [fake_run(tmp_path, "none", name, seed, successes=20 + seed) for name in controls for seed in range(5)]
    runs += [fake_run(tmp_path, "transformer", "lstm", seed) for seed in range(5)]
    memory = compare(runs).agents[-1]
    assert memory.label == "transformer-lstm"
    assert set(memory.better_than) == {f"none-{name}" for name in controls}


def test_agents_that_differ_in_a_number_are_told_apart_by_it(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path, seed=seed, config={"total_timesteps": 1000}) for seed in (0, 1)]
    runs += [fake_run(tmp_path, seed=2, name="longer", config={"total_timesteps": 2000})]
    # What does not change the agent does not tell it apart.
    runs += [fake_run(tmp_path, seed=3, config={"device": "cuda", "tracking": {"mode": "offline"}, "runs_dir": "x"})]
    found = compare(runs)
    assert {agent.label: agent.seeds for agent in found.agents} == {
        "episodic-lstm total_timesteps=1000": (0, 1, 3),
        "episodic-lstm total_timesteps=2000": (2,),
    }
    assert any(line.startswith("Trained for different numbers of steps: ") for line in found.caveats)


def test_many_differences_are_named_as_far_as_needed(tmp_path: Path) -> None:
    ppo = {"learning_rate": 0.1, "n_steps": 8, "gamma": 0.9, "gae_lambda": 0.9}
    runs = [fake_run(tmp_path, name="one", config={"ppo": ppo})]
    runs += [fake_run(tmp_path, name="two", config={"ppo": {key: value / 2 for key, value in ppo.items()}})]
    assert [agent.label for agent in compare(runs).agents] == [
        "episodic-lstm ppo.gae_lambda=0.45",
        "episodic-lstm ppo.gae_lambda=0.9",
    ]


def test_keys_that_came_later_have_their_defaults(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path, seed=0), fake_run(tmp_path, seed=1, random_actions=0.0)]
    assert len(compare(runs).agents) == 1


def test_without_success_the_return_decides(tmp_path: Path) -> None:
    def run(memory: str, seed: int, mean_return: float) -> Path:
        told = {"intact": score(None, mean_return=mean_return), "wiped": score(None, mean_return=-2.0)}
        return fake_run(tmp_path, memory, seed=seed, successes=None, wiped=None, evaluation=told)

    runs = [run("episodic", seed, -0.25 * seed) for seed in range(5)] + [run("none", s, -1.5 - s) for s in range(5)]
    found = compare(runs)
    assert found.metric == "return"
    assert found.agents[0].settings["as trained"]["success"] is None
    assert found.agents[0].better_than["none-lstm"].value == 1.0
    assert score_rows(found)[0] == ("agent", "seeds", "return", "return, wiped")
    assert score_rows(found)[1][2] == "-0.500 (-0.991 to -0.009)"


def test_runs_of_different_tasks_are_refused_and_both_are_named(tmp_path: Path) -> None:
    one, other = fake_run(tmp_path), fake_run(tmp_path, seed=1, name="room", id="Engram-RoomS11-v0")
    with pytest.raises(CannotRun) as caught:
        compare([one, other])
    message = str(caught.value)
    assert all(words in message for words in ("Engram-TMaze-v0", "Engram-RoomS11-v0", str(one), str(other)))
    assert "\n" not in message
    # The same id with other arguments is another task.
    longer = fake_run(tmp_path, seed=2, name="longer", kwargs={"delay": [50, 90]})
    with pytest.raises(CannotRun, match=r"delay=\[5,30\], .*delay=\[50,90\]"):
        compare([one, longer])
    # And so it is with what the agents feel.
    feeling = fake_run(tmp_path, seed=3, name="feeling", odometry=True)
    with pytest.raises(CannotRun, match=r"on Engram-TMaze-v0, .* on Engram-TMaze-v0 with odometry"):
        compare([one, feeling])


def test_a_run_that_was_not_evaluated_is_refused_with_the_command(tmp_path: Path) -> None:
    run = fake_run(tmp_path)
    (run / "evaluation.json").unlink()
    with pytest.raises(CannotRun, match=f"no evaluation.json; make it with: python evaluate.py {run}$"):
        compare([run])


def test_a_run_that_was_not_evaluated_hides_no_other(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path, seed=seed) for seed in range(3)]
    (runs[1] / "evaluation.json").unlink()
    found = compare(runs)
    assert [agent.seeds for agent in found.agents] == [(0, 2)]
    reason = f"{runs[1]}: there is no evaluation.json; make it with: python evaluate.py {runs[1]}"
    assert found.left_out == (reason,)
    assert f"Left out: {reason}" in printed(found, 400)


def test_who_was_stopped_is_no_seed_of_those_who_were_not(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path, seed=seed, config={"total_timesteps": 100_000}) for seed in range(5)]
    add_metrics(runs[0], lambda _: 0.5, steps=[50_000, 100_352])  # to its end, and what the last rollout is over it
    add_metrics(runs[1], lambda _: 0.5, steps=[12_608, 25_216])
    (runs[2] / "failure.json").write_text(json.dumps({"error": "it broke", "timesteps": 317}))
    (runs[3] / "failure.json").write_text("?")
    found = compare(runs)
    assert {agent.label: agent.seeds for agent in found.agents} == {
        "episodic-lstm": (0, 4),  # of the last no record tells
        "episodic-lstm, after 25,216 of 100,000 steps": (1,),
        "episodic-lstm, failed after 317 of 100,000 steps": (2,),
        "episodic-lstm, failed after ? of 100,000 steps": (3,),
    }
    (marked,) = [line for line in found.caveats if line.startswith("Failed, stopped or still in training")]
    for run, words in zip(runs[1:4], ("after 25,216", "failed after 317", "failed after ?"), strict=True):
        assert f"{run} {words} of 100,000 steps" in marked
    (steps,) = [line for line in found.caveats if line.startswith("Trained for different numbers of steps")]
    assert "episodic-lstm 100,000; episodic-lstm, after 25,216 of 100,000 steps 25,216;" in steps


def test_who_ended_by_itself_at_a_level_came_to_the_end(tmp_path: Path) -> None:
    config = {"total_timesteps": 100_000, "eval": {"stop_at": 0.9}}
    runs = [fake_run(tmp_path, seed=seed, config=config) for seed in range(3)]
    for run, success in zip(runs, (lambda step: step / 2200, lambda step: 0.95, lambda step: 0.85), strict=True):
        add_metrics(run, success, steps=[500, 1000, 1500, 2000])  # validated at each
    found = compare(runs)
    assert {agent.label: agent.seeds for agent in found.agents} == {
        "episodic-lstm": (1,),
        "episodic-lstm, after 2,000 of 100,000 steps": (0, 2),  # one reached the level once, the other never
    }
    assert not any(line.startswith("Trained for different") for line in found.caveats)
    add_metrics(runs[1], lambda _: 0.95, steps=[500, 1000])
    (line,) = [line for line in compare(runs).caveats if line.startswith("Trained for different numbers of steps")]
    assert "episodic-lstm 1,000;" in line


@pytest.mark.parametrize("key", ["chance", "checkpoint", "intact"])
def test_an_evaluation_of_an_older_format_is_refused_with_what_it_lacks(tmp_path: Path, key: str) -> None:
    run = fake_run(tmp_path)
    content = json.loads((run / "evaluation.json").read_text())
    del content[key]
    (run / "evaluation.json").write_text(json.dumps(content))
    with pytest.raises(CannotRun, match=f"lacks '{key}.*older format.*make it anew with: python evaluate.py {run}"):
        compare([run])


def test_an_evaluation_of_the_intact_agent_alone_is_compared(tmp_path: Path) -> None:
    run = fake_run(tmp_path)
    content = json.loads((run / "evaluation.json").read_text())
    for key in ("wiped", "sampled", "test_settings"):
        del content[key]
    (run / "evaluation.json").write_text(json.dumps(content))
    (agent,) = compare([run]).agents
    scores = agent.settings["as trained"]
    assert scores["success"] is not None
    assert (scores["wiped"], scores["sampled"]) == (None, None)
    (run / "evaluation.json").write_text(json.dumps({**content, "sampled": {}}))
    with pytest.raises(CannotRun, match=r"lacks 'sampled\.intact'"):
        compare([run])


def test_a_score_of_an_older_format_is_refused(tmp_path: Path) -> None:
    run = fake_run(tmp_path, evaluation={"intact": {"success": 0.5}})
    with pytest.raises(CannotRun, match=r"lacks 'intact\.episodes'"):
        compare([run])


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_evaluation_is_one_line(tmp_path: Path, text: str) -> None:
    run = fake_run(tmp_path)
    (run / "evaluation.json").write_text(text)
    with pytest.raises(CannotRun, match="make it anew with: ") as caught:
        compare([run])
    assert "\n" not in str(caught.value)


def test_who_has_not_played_a_setting_is_left_out_of_it(folders: list[Path]) -> None:
    found = compare(folders)
    assert found.settings == ("as trained", "delay=60")
    assert found.agents[2].settings["delay=60"]["success"] is None


def test_a_reader_learns_what_makes_it_weak(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path, seed=seed) for seed in range(5)]
    assert compare(runs).caveats == ()
    again = fake_run(tmp_path, seed=4, name="again")
    leaky = fake_run(tmp_path, seed=5, evaluation={"layouts_in_both": 3, "checkpoint": "latest"})
    control = fake_run(
        tmp_path,
        "none",
        evaluation={
            "intact": score(8, 17),
            "test_settings_layouts_in_both": {"delay=10": 4, "delay=60": 0, "delay=70": None},
        },
    )
    found = compare([*runs, again, leaky, control]).caveats
    for words in (
        "Fewer than 5 seeds, so that nothing is concluded over seeds: none-lstm.",
        "Not independent, for they have the same seed (4): runs of episodic-lstm.",
        "Different checkpoints were evaluated: episodic-lstm best and latest; none-lstm best.",
        "Different numbers of test episodes were played: episodic-lstm 40; none-lstm 17.",
        f"{leaky}: 3 of the layouts",
        f"{control}: delay=10: 4 of the layouts that it was tested on had been trained on.",
    ):
        assert sum(line.startswith(words) for line in found) == 1
    assert len(found) == 6


def test_tables_say_everything_on_a_narrow_terminal(folders: list[Path]) -> None:
    wide = printed(compare(folders))
    for words in ("86.5 % (", "75.0 % (59.8-85.8)", "delay=60", "better than none-lstm", "Fewer than 5 seeds"):
        assert words in wide
    narrow = printed(compare(folders), 80)
    assert "…" not in narrow
    assert "(59.8-85.8)" in narrow


def test_files_hold_every_number(folders: list[Path], tmp_path: Path) -> None:
    found = compare(folders)
    json_path, csv_path, *drawn = write_comparison(found, tmp_path / "new" / "v0.comparison")
    assert (json_path.name, csv_path.name) == ("v0.comparison.json", "v0.comparison.csv")
    assert [path.name for path in drawn] == ["v0.comparison.png", "v0.comparison.svg"]
    content = json.loads(json_path.read_text())
    assert content["agents"][0]["settings"]["as trained"]["success"]["by_run"] == [1.0, 0.9, 0.95, 0.5, 0.975]
    assert content["agents"][0]["better_than"]["none-lstm"]["value"] == pytest.approx(0.8)
    rows = list(csv.DictReader(csv_path.open()))
    assert [(row["agent"], row["setting"]) for row in rows[:3]] == [
        ("episodic-lstm", "as trained"),
        ("episodic-lstm", "delay=60"),
        ("none-gru", "as trained"),
    ]
    success = found.agents[0].settings["as trained"]["success"]
    assert success is not None
    assert [float(rows[0][f"success{end}"]) for end in ("", "_low", "_high")] == [
        success.value,
        success.low,
        success.high,
    ]
    assert float(rows[0]["better_than_none-lstm"]) == pytest.approx(0.8)
    assert rows[1]["better_than_none-lstm"] == rows[2]["wiped"] == ""


def test_figure_is_written_as_png_and_svg_and_is_the_same_again(folders: list[Path], tmp_path: Path) -> None:
    found = compare(folders)
    png, svg = draw_comparison(found, tmp_path / "figures" / "v0.1.png")
    assert (png.name, svg.name) == ("v0.1.png", "v0.1.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_bytes() == draw_comparison(found, tmp_path / "again")[1].read_bytes()
    one = compare([fake_run(tmp_path / "one", seed=3)])  # of a single setting
    assert draw_comparison(one, tmp_path / "one")[0].is_file()


@pytest.mark.parametrize("chance", [0.5, None])
def test_chance_is_drawn_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chance: float | None
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(figure, "save_figure", lambda made, path: drawn.append(made) or (path, path))
    draw_comparison(compare([fake_run(tmp_path, evaluation={"chance": chance})]), tmp_path / "figure")
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["memory intact", "memory wiped", "single seeds", *([] if chance is None else ["chance"])]
    (panel,) = drawn[0].axes
    dotted = [line for line in panel.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in dotted] == ([] if chance is None else [[0.5, 0.5]])


def test_runs_are_found_by_name_by_pattern_and_below_a_folder(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / "runs", memory, seed=seed) for memory in ("episodic", "none") for seed in (0, 1)]
    (runs[0] / "wandb" / "files").mkdir(parents=True)
    (runs[0] / "wandb" / "files" / "config.yaml").write_text("a: 1")  # not a run
    (tmp_path / "runs" / "grid-2026").mkdir()
    (tmp_path / "runs" / "grid-2026" / "multirun.yaml").write_text("")
    pattern = tmp_path / "runs" / "*"
    assert find_runs([tmp_path]) == find_runs([pattern / "seed*"]) == find_runs([pattern]) == runs
    assert find_runs([tmp_path / "**" / "seed*"]) == runs
    assert find_runs(sorted((tmp_path / "runs").iterdir())) == runs  # as a shell writes the pattern out
    assert find_runs([runs[2], tmp_path / "runs", os.path.relpath(runs[2])]) == [runs[2], runs[0], runs[1], runs[3]]
    (tmp_path / "a[b]").mkdir()
    strange = fake_run(tmp_path / "a[b]")
    assert find_runs([strange]) == [strange]


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere", "no such run folder"), ("no*", "no such run folder"), ("empty", "no run folder .with a config.yaml")],
)
def test_no_run_of_a_name_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotRun, match=said):
        find_runs([tmp_path / name])


@pytest.mark.parametrize(
    ("config", "said"),
    [("env: [", "not valid YAML"), ("a: 1", "no env.id"), ("- 1", "config.yaml"), ("env: {id: x}", "no memory.name")],
)
def test_a_folder_with_another_config_is_one_line(tmp_path: Path, config: str, said: str) -> None:
    run = fake_run(tmp_path)
    (run / "config.yaml").write_text(config)
    with pytest.raises(CannotRun, match=said) as caught:
        compare([run])
    assert str(run) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="not a run folder"):
        compare([tmp_path])


def test_what_an_evaluation_holds_beside_is_no_matter(tmp_path: Path) -> None:
    extra = {"certificate": certificate("needs its memory", intact=38), "later": [1]}
    assert compare([fake_run(tmp_path, evaluation=extra)]).agents[0].label == "episodic-lstm"
