"""The horizons of several agents together, of runs that were made up."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from fake_runs import EPISODES, add_horizon, fake_run, horizon
from rich.console import Console

from engram.configs import CannotRun
from engram.evidence.horizon.compare import compare_horizons, over_seeds, print_horizons, write_horizons
from engram.evidence.horizon.table import horizon_rows
from engram.evidence.runs.recorded_run import RecordedRun, read_run
from engram.evidence.statistics import wilson_interval


def runs_with(tmp_path: Path, memory: str, *curves: dict[int, int]) -> list[RecordedRun]:
    found = []
    for seed, curve in enumerate(curves):
        path = fake_run(tmp_path, memory, seed=seed)
        add_horizon(path, curve)
        found.append(read_run(path))
    return found


def test_over_seeds_is_the_interquartile_mean_at_shared_delays() -> None:
    seeds = [horizon({3: 40, 30: k, 300 + k: 20}, length) for k, length in ((36, 80), (20, 50), (40, None))]
    found = over_seeds(seeds)
    assert [point["delay"] for point in found["points"]] == [3, 30]
    at_30 = found["points"][1]
    assert at_30["success"] == pytest.approx((36 + 20 + 40) / 3 / 40)
    assert 20 / 40 <= at_30["success_low"] < at_30["success"] < at_30["success_high"] <= 1.0
    assert (at_30["episodes"], at_30["wiped"]) == (3 * EPISODES, 0.5)
    assert (found["by"], found["trained"], found["chance"]) == ("delay", [5, 30], 0.5)
    assert over_seeds(seeds[:1]) is seeds[0]


def test_the_effective_length_of_several_seeds_is_that_of_their_curve() -> None:
    # Means of 1.0 and 0.5: the middle, 0.75, is half-way from 10 to 1000 on a logarithmic axis.
    found = over_seeds([horizon({10: 40, 1000: 20}, 7) for _ in range(3)])
    assert found["effective_length"] == 100
    assert found["effective_low"] < 90 < 110 < found["effective_high"]  # that they agree is no proof of their rate
    apart = over_seeds([horizon({10: 40, 1000: k}, 7) for k in (10, 20, 30)])
    assert apart["effective_low"] < apart["effective_length"] == 100 < (apart["effective_high"] or 10**9)
    assert over_seeds([horizon({10: 40, 1000: 39}, 7)] * 2)["effective_length"] is None


def test_there_is_a_curve_for_each_memory_with_its_seeds_together(tmp_path: Path) -> None:
    runs = [
        *runs_with(tmp_path, "ntm", {10: 40, 100: 20}),
        *runs_with(tmp_path, "episodic", {10: 40, 100: 40}, {10: 40, 100: 36, 1000: 20}),
    ]
    curves, caveats = compare_horizons(runs)
    assert list(curves) == ["episodic-lstm", "ntm-lstm"]
    assert curves["episodic-lstm"]["seeds"] == [0, 1]
    assert curves["episodic-lstm"]["commands"] == ["python evaluate.py RUN --horizon"] * 2
    assert [point["delay"] for point in curves["episodic-lstm"]["points"]] == [10, 100]
    written = write_horizons(curves, tmp_path / "out" / "both", caveats=caveats)
    assert [path.name for path in written] == ["both.json", "both.png", "both.svg"]
    assert all(path.stat().st_size for path in written)
    content = json.loads(written[0].read_text())
    assert content["agents"]["episodic-lstm"]["effective_length"] is None
    assert content["caveats"] == [
        "Fewer than 5 seeds, so that what is said over seeds is rough: episodic-lstm, ntm-lstm."
    ]
    assert "ntm-lstm" in written[2].read_text()


def test_the_table_says_what_is_beyond_the_delays_that_were_played() -> None:
    falls = horizon({10: 40, 100: 20}, 30, effective_low=0, effective_high=60)
    never = horizon({10: 40, 1000: 40})
    head, *rows = horizon_rows({"falls": falls, "never": never})
    assert head[:4] == ("agent", "seeds", "effective length", "95 % interval")
    assert head[4] == "success at 1,000"
    assert rows[0] == ("falls", "1", "30", "below 10 to 60", "-", "-")
    assert rows[1][:4] == ("never", "1", "over 1,000", "over 1,000")
    assert rows[1][4].startswith("100.0%")


def test_a_run_without_a_curve_is_one_line_with_the_command(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, "ntm", {10: 40})
    bare = read_run(fake_run(tmp_path, "dnc"))
    with pytest.raises(CannotRun, match=r"no horizon\.json; make it with: python evaluate\.py .*dnc.* --horizon"):
        compare_horizons([run, bare])


def test_seeds_without_a_common_delay_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="ntm-lstm: its seeds have no delay in common"):
        compare_horizons(runs_with(tmp_path, "ntm", {10: 40}, {20: 40}))


def test_seeds_that_were_always_right_leave_the_doubt_of_their_episodes() -> None:
    few = over_seeds([horizon({10: 40}) for _ in range(3)])["points"][0]
    assert (few["success"], few["success_high"]) == (1.0, 1.0)
    assert few["success_low"] == pytest.approx(wilson_interval(120, 120)[0])
    assert few["wiped_low"] < 0.45 < 0.55 < few["wiped_high"]  # half of 40 episodes, in each of three seeds


def test_a_reader_is_told_what_makes_horizons_weak(tmp_path: Path) -> None:
    runs = runs_with(tmp_path / "a", "episodic", {10: 40}) + runs_with(tmp_path / "b", "episodic", {10: 40})
    for run, episodes in zip(runs, (40, 3), strict=True):
        content = horizon({10: 40}, episodes=episodes, checkpoint="best", seed=5)
        (run.path / "horizon.json").write_text(json.dumps(content))
    horizons = compare_horizons(runs)
    assert horizons.caveats == (
        "Fewer than 5 seeds, so that what is said over seeds is rough: episodic-lstm.",
        "Not independent, for they have the same seed (0): runs of episodic-lstm.",
        "Different numbers of test episodes were played: episodic-lstm 3 and 40.",
    )
    console = Console(width=200, record=True, file=io.StringIO())
    print_horizons(horizons, "T-Maze", console)
    assert horizons.caveats[1] in console.export_text()


def test_delays_that_were_named_are_shown_and_must_have_been_measured(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, "ntm", {10: 40, 100: 20, 1000: 20}, {10: 40, 100: 20})
    (curve,) = compare_horizons(runs[:1], [10]).curves.values()
    assert [point["delay"] for point in curve["points"]] == [10]
    assert curve["effective_length"] is None  # of what is shown
    with pytest.raises(
        CannotRun, match=r"seed1: delay 999 1000 was not measured; measure it with: .* --horizon 999 1000$"
    ):
        compare_horizons(runs[1:], [10, 1000, 999])


def test_a_task_without_a_delay_is_not_told_to_measure_it(tmp_path: Path) -> None:
    run = read_run(fake_run(tmp_path, id="MiniGrid-MemoryS9-v0", kwargs={}))
    with pytest.raises(CannotRun, match=r"^--horizon: .*MiniGrid-MemoryS9-v0, which has no delay to change$"):
        compare_horizons([run])


def test_curves_over_different_things_are_refused(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, "ntm", {10: 40}, {10: 40})
    file = runs[1].path / "horizon.json"
    file.write_text(file.read_text().replace('"delay"', '"size"'))
    with pytest.raises(CannotRun, match=r"seed0 over delay, .*seed1 over size$"):
        compare_horizons(runs)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"points": [1, 2]}, r"points\[0\]=1 is no mapping"),
        ({"points": []}, r"points=\[\] is no list of points"),
        ({"by": ["x"]}, r"by=\['x'\] is no name"),
        ({"points": [{**horizon({3: 1})["points"][0], "success": "x"}]}, r"points\[0\]\.success='x' is no rate"),
        ({"points": [{**horizon({3: 1})["points"][0], "wiped": float("nan")}]}, r"points\[0\]\.wiped=nan is no rate"),
        ({"points": [{**horizon({3: 1})["points"][0], "episodes": 0}]}, r"points\[0\]\.episodes=0 is no whole number"),
        ({"points": [{"delay": 3}]}, r"points\[0\] has no 'episodes'"),
        ({"trained": 7}, "trained=7 is no pair"),
        ({"chance": "x"}, "chance='x' is no number"),
        ({"checkpoint": []}, r"checkpoint=\[\] is neither"),
    ],
)
def test_a_broken_curve_is_one_line_with_the_file_and_the_key(tmp_path: Path, broken: dict, named: str) -> None:
    (run,) = runs_with(tmp_path, "ntm", {10: 40})
    (run.path / "horizon.json").write_text(json.dumps(horizon({10: 40}, **broken)))
    with pytest.raises(CannotRun, match=rf"seed0/horizon\.json: {named}.*; make it anew with: .* --horizon$") as caught:
        compare_horizons([run])
    assert "\n" not in str(caught.value)
