"""The horizon figure, of curves that were made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_runs import horizon as content_of
from matplotlib.figure import Figure

from engram.evidence.horizon import figure as horizon_figure
from engram.evidence.horizon.curve import HorizonFile
from engram.evidence.horizon.figure import draw_horizon


def horizon(*success: Any, **other: Any) -> HorizonFile:
    """Return a curve as it is read."""
    return HorizonFile.model_validate_json(json.dumps(content_of(*success, **other)))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the list to which every figure that is saved is added."""
    figures: list[Figure] = []

    def save(figure: Figure, path: Path) -> tuple[Path, Path]:
        figures.append(figure)
        return path, path

    monkeypatch.setattr(horizon_figure, "save_figure", save)
    return figures


def test_figure_is_written_as_png_and_svg(tmp_path: Path) -> None:
    png, svg = draw_horizon({"episodic (lstm)": horizon({1: 40, 10: 39, 1000: 22}, 90)}, tmp_path / "horizon.png")
    assert (png, svg) == (tmp_path / "horizon.png", tmp_path / "horizon.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()


def test_what_is_drawn(drawn: list[Figure]) -> None:
    curves = {"b": horizon({30: 30, 3: 40, 300: 20}, 70), "a": horizon({3: 40, 300: 39})}
    draw_horizon(curves, Path("nowhere"), colors={"a": "red", "b": "blue"})
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == "log"
    assert axes.xaxis.get_major_formatter()(1000) == "1,000"
    lines = {line.get_label(): line for line in axes.lines}
    # In the order of the delays, however they were written.
    found = lines["b\neffective length 70"]
    assert list(found.get_xdata()) == [3, 30, 300]
    assert list(found.get_ydata()) == [1.0, 0.75, 0.5]
    assert found.get_color() == "blue"
    assert lines["a\neffective length over 300"].get_color() == "red"
    assert lines["chance"].get_ydata()[0] == 0.5
    assert lines["oracle"].get_ydata()[0] == 1.0
    assert "memory wiped" in lines
    assert len(axes.collections) == 2  # an interval for each
    interval = axes.collections[1].get_paths()[0].vertices
    point = next(point for point in curves["b"].points if point.delay == 300)
    assert {y for x, y in interval if x == 300} == {point.success_low, point.success_high}
    (shade,) = [patch for patch in axes.patches if patch.get_alpha() == 0.15]
    assert shade.get_x() < 5 < 30 < shade.get_x() + shade.get_width()


def test_what_is_not_known_is_not_drawn(drawn: list[Figure]) -> None:
    curve = horizon({3: 40, 300: 39}, chance=None, oracle=None, trained=None)
    points = [point.model_copy(update={"wiped": None}) for point in curve.points]
    draw_horizon({"a": curve.model_copy(update={"points": points})}, Path("nowhere"))
    (axes,) = drawn[0].axes
    labels = {line.get_label() for line in axes.lines}
    assert labels.isdisjoint({"chance", "oracle", "memory wiped"})
    assert not axes.patches


def test_a_delay_of_zero_has_no_place_on_the_axis(drawn: list[Figure]) -> None:
    draw_horizon({"a": horizon({0: 40, 10: 38}, trained=[0, 0])}, Path("nowhere"))
    (axes,) = drawn[0].axes
    assert [list(line.get_xdata()) for line in axes.lines if str(line.get_label()).startswith("a\n")] == [[10]]


def test_of_few_seeds_each_is_marked_and_there_is_no_interval(drawn: list[Figure]) -> None:
    curve = horizon({3: 40, 30: 30})
    none = {"success_low": None, "success_high": None}
    rates = ([1.0, 1.0], [0.5, 1.0])
    points = [p.model_copy(update={**none, "success_by_seed": r}) for p, r in zip(curve.points, rates, strict=True)]
    draw_horizon({"a": curve.model_copy(update={"points": points, "length_by_seed": [20, None]})}, Path("nowhere"))
    (axes,) = drawn[0].axes
    assert not axes.collections
    (marks,) = [line for line in axes.lines if line.get_marker() == "_"]
    assert list(zip(*marks.get_data(), strict=True)) == [(3, 1.0), (3, 1.0), (30, 0.5), (30, 1.0)]
