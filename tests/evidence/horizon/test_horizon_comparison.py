"""The horizons of several agents together, of runs that were made up."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_runs import EPISODES, add_horizon, fake_run, horizon
from rich.console import Console

from engram.configs import CannotRun
from engram.evidence.horizon.compare import compare_horizons, horizon_rows, over_seeds, print_horizons, write_horizons
from engram.evidence.horizon.curve import HorizonFile
from engram.evidence.runs.recorded_run import RecordedRun, read_run
from engram.evidence.statistics import interval_over_seeds


def runs_with(tmp_path: Path, memory: str, *curves: dict[int, int]) -> list[RecordedRun]:
    found = []
    for seed, curve in enumerate(curves):
        path = fake_run(tmp_path, memory, seed=seed)
        add_horizon(path, curve)
        found.append(read_run(path))
    return found


def pooled(*contents: dict[str, Any]) -> HorizonFile:
    """Return the curve of seeds, given what their files hold."""
    config = {"seed": 7}
    curves = [HorizonFile.model_validate_json(json.dumps(content)) for content in contents]
    return over_seeds("agent", {RecordedRun(Path(str(n)), config): curve for n, curve in enumerate(curves)})


def test_over_five_seeds_a_point_is_the_mean_with_its_interval_at_shared_delays() -> None:
    successes = (36, 20, 40, 31, 38)
    found = pooled(*(horizon({3: 40, 30: k, 300 + k: 20}) for k in successes))
    assert [point.delay for point in found.points] == [3, 30]
    at_30 = found.points[1]
    rates = [k / 40 for k in successes]
    assert at_30.success == pytest.approx(sum(rates) / 5)
    assert (at_30.success_low, at_30.success_high) == pytest.approx(interval_over_seeds(rates, "success"))
    assert (at_30.episodes, at_30.wiped, at_30.success_by_seed) == (5 * EPISODES, 0.5, rates)
    assert (at_30.wiped_low, at_30.wiped_high) == pytest.approx(interval_over_seeds([0.5] * 5, "success"))
    assert (found.trained, found.chance) == ((5, 30), 0.5)


def test_the_effective_length_of_several_seeds_is_that_of_their_curve() -> None:
    # Means of 1.0 and 0.5: the middle, 0.75, is half-way from 10 to 1000 on a logarithmic axis.
    found = pooled(*(horizon({10: 40, 1000: 20}, 7) for _ in range(5)))
    assert found.effective_length == 100
    assert found.effective_low < 90 < 110 < found.effective_high  # that they agree is no proof of their rate
    assert found.shown_length() == ("100", f"{found.effective_low} to {found.effective_high}")
    assert pooled(*[horizon({10: 40, 1000: 39}, 7)] * 5).effective_length is None


def test_fewer_than_five_seeds_have_their_own_lengths_and_no_interval() -> None:
    few = pooled(horizon({10: 40, 1000: 20}, 70), horizon({10: 40, 1000: 30}), horizon({10: 40, 1000: 10}, 0))
    assert few.points[1].success == pytest.approx(0.5)
    assert few.points[1].success_by_seed == [0.5, 0.75, 0.25]
    assert (few.points[1].success_low, few.points[1].success_high) == (None, None)
    assert (few.effective_length, few.effective_low, few.effective_high) == (100, None, None)
    assert few.shown_length() == ("100", "seeds: 70; over 1,000; below 10")
    assert horizon_rows({"few": few})[1][4] == "50.0 % (50.0, 75.0, 25.0)"


def test_there_is_a_curve_for_each_memory_with_its_seeds_together(tmp_path: Path) -> None:
    runs = [
        *runs_with(tmp_path, "ntm", {10: 40, 100: 20}),
        *runs_with(tmp_path, "episodic", {10: 40, 100: 40}, {10: 40, 100: 36, 1000: 20}),
    ]
    horizons = compare_horizons(runs)
    curves = horizons.curves
    assert list(curves) == ["episodic-lstm", "ntm-lstm"]
    assert curves["episodic-lstm"].seeds == [0, 1]
    assert curves["episodic-lstm"].commands == ["python evaluate.py RUN --horizon"] * 2
    assert [point.delay for point in curves["episodic-lstm"].points] == [10, 100]
    written = write_horizons(horizons, tmp_path / "out" / "both")
    assert [path.name for path in written] == ["both.json", "both.png", "both.svg"]
    assert all(path.stat().st_size for path in written)
    content = json.loads(written[0].read_text())
    assert content["agents"]["episodic-lstm"]["effective_length"] is None
    assert "success_by_seed" in content["agents"]["episodic-lstm"]["points"][0]
    assert "success_by_seed" not in content["agents"]["ntm-lstm"]["points"][0]  # it is of one agent
    assert content["caveats"] == [
        "Fewer than 5 seeds, so that nothing is concluded over seeds: episodic-lstm, ntm-lstm.",
        f"Dropped from the curve of episodic-lstm: delay 1,000, which seed 0 ({runs[1].path}) did not play.",
    ]
    assert content["left_out"] == []
    assert "ntm-lstm" in written[2].read_text()


def test_the_table_has_what_is_beyond_the_delays_that_were_played() -> None:
    falls = pooled(horizon({10: 40, 100: 20}, 30, effective_low=0, effective_high=60))
    never = pooled(horizon({10: 40, 1000: 40}))
    head, *rows = horizon_rows({"falls": falls, "never": never})
    assert head[:4] == ("agent", "seeds", "effective length", "95 % interval")
    assert head[4] == "success at 1,000"
    assert rows[0] == ("falls", "1", "30", "below 10 to 60", "-", "-")
    assert rows[1][:4] == ("never", "1", "over 1,000", "over 1,000")
    assert rows[1][4].startswith("100.0 %")


def test_a_run_without_a_curve_is_one_line_with_the_command(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, "ntm", {10: 40})
    bare = read_run(fake_run(tmp_path, "dnc"))
    with pytest.raises(CannotRun, match=r"no horizon\.json; make it with: python evaluate\.py .*dnc.* --horizon"):
        compare_horizons([bare])
    # It hides no other.
    found = compare_horizons([run, bare])
    assert list(found.curves) == ["ntm-lstm"]
    (reason,) = found.left_out
    console = Console(width=400, record=True, file=io.StringIO())
    print_horizons(found, "T-Maze", console)
    assert f"Left out: {reason}" in console.export_text()


def test_seeds_without_a_common_delay_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="ntm-lstm: its seeds have no delay in common"):
        compare_horizons(runs_with(tmp_path, "ntm", {10: 40}, {20: 40}))
    both = runs_with(tmp_path / "both", "ntm", {10: 40}, {20: 40}) + runs_with(tmp_path / "both", "dnc", {10: 40})
    found = compare_horizons(both)
    assert list(found.curves) == ["dnc-lstm"]
    assert found.left_out == ("ntm-lstm: its seeds have no delay in common; name delays after --horizon",)


def test_a_reader_learns_what_makes_horizons_weak(tmp_path: Path) -> None:
    runs = runs_with(tmp_path / "a", "episodic", {10: 40}) + runs_with(tmp_path / "b", "episodic", {10: 40})
    for run, episodes in zip(runs, (40, 3), strict=True):
        content = horizon({10: 40}, checkpoint="best", seed=5)
        content["points"][0]["episodes"] = episodes
        (run.path / "horizon.json").write_text(json.dumps(content))
    horizons = compare_horizons(runs)
    assert horizons.caveats == (
        "Fewer than 5 seeds, so that nothing is concluded over seeds: episodic-lstm.",
        "Not independent, for they have the same seed (0): runs of episodic-lstm.",
        "Different numbers of test episodes were played: episodic-lstm 3 and 40.",
    )
    console = Console(width=200, record=True, file=io.StringIO())
    print_horizons(horizons, "T-Maze", console)
    assert horizons.caveats[1] in console.export_text()


def test_delays_that_were_named_are_shown_and_must_have_been_measured(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, "ntm", {10: 40, 100: 20, 1000: 20}, {10: 40, 100: 20})
    (curve,) = compare_horizons(runs[:1], [10]).curves.values()
    assert [point.delay for point in curve.points] == [10]
    assert curve.effective_length is None  # of what is shown
    with pytest.raises(
        CannotRun, match=r"seed1: delay 999 1000 was not measured; measure it with: .* --horizon 999 1000$"
    ):
        compare_horizons(runs[1:], [10, 1000, 999])


def test_a_task_without_a_delay_is_not_told_to_measure_it(tmp_path: Path) -> None:
    run = read_run(fake_run(tmp_path, id="MiniGrid-MemoryS9-v0", kwargs={}))
    with pytest.raises(CannotRun, match=r"^--horizon: .*MiniGrid-MemoryS9-v0, which has no delay to change$"):
        compare_horizons([run])


POINT = horizon({3: 1})["points"][0]


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"points": [1, 2]}, r"points\[0\]=1: input should be an object"),
        ({"points": []}, r"points=\[\]: list should have at least 1 item"),
        ({"by": "size"}, r"by='size': input should be 'delay'"),
        ({"points": [{**POINT, "success": "x"}]}, r"points\[0\]\.success='x': input should be a valid number"),
        ({"points": [{**POINT, "wiped": float("nan")}]}, r"points\[0\]\.wiped=nan: input should be a finite number"),
        ({"points": [{**POINT, "success_low": 1.2}]}, r"points\[0\]\.success_low=1\.2: input should be less than or"),
        (
            {"points": [{**POINT, "episodes": 0}]},
            r"points\[0\]\.episodes=0: input should be greater than or equal to 1",
        ),
        ({"points": [{**POINT, "delay": -1}]}, r"points\[0\]\.delay=-1: input should be greater than or equal to 0"),
        ({"points": [{"delay": 3}]}, r"it lacks 'points\[0\]\.episodes'"),
        ({"trained": 7}, "trained=7: input should be a valid"),
        ({"chance": "x"}, "chance='x': input should be a valid number"),
        ({"checkpoint": []}, r"checkpoint=\[\]: input should be a valid string"),
    ],
)
def test_a_broken_curve_is_one_line_with_the_file_and_the_key(tmp_path: Path, broken: dict, named: str) -> None:
    (run,) = runs_with(tmp_path, "ntm", {10: 40})
    (run.path / "horizon.json").write_text(json.dumps(horizon({10: 40}, **broken)))
    with pytest.raises(CannotRun, match=rf"seed0/horizon\.json: {named}.*; make it anew with: .* --horizon$") as caught:
        compare_horizons([run])
    assert "\n" not in str(caught.value)
