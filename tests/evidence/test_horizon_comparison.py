"""The horizons of several agents together, of runs that were made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_runs import EPISODES, add_horizon, fake_run, horizon

from configs import CannotRun
from evidence.horizon_comparison import compare_horizons, over_seeds, write_horizons
from evidence.horizon_table import horizon_rows
from evidence.recorded_run import RecordedRun, read_run


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
    assert (found["effective_length"], found["effective_low"], found["effective_high"]) == (100, 100, 100)
    apart = over_seeds([horizon({10: 40, 1000: k}, 7) for k in (10, 20, 30)])
    assert apart["effective_low"] < apart["effective_length"] == 100 < (apart["effective_high"] or 10**9)
    assert over_seeds([horizon({10: 40, 1000: 39}, 7)] * 2)["effective_length"] is None


def test_there_is_a_curve_for_each_memory_with_its_seeds_together(tmp_path: Path) -> None:
    runs = [
        *runs_with(tmp_path, "ntm", {10: 40, 100: 20}),
        *runs_with(tmp_path, "episodic", {10: 40, 100: 40}, {10: 40, 100: 36, 1000: 20}),
    ]
    curves = compare_horizons(runs)
    assert list(curves) == ["episodic-lstm", "ntm-lstm"]
    assert curves["episodic-lstm"]["seeds"] == [0, 1]
    assert [point["delay"] for point in curves["episodic-lstm"]["points"]] == [10, 100]
    written = write_horizons(curves, tmp_path / "out" / "both")
    assert [path.name for path in written] == ["both.json", "both.png", "both.svg"]
    assert all(path.stat().st_size for path in written)
    assert json.loads(written[0].read_text())["agents"]["episodic-lstm"]["effective_length"] is None
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
