"""How far it is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from engram.tracking.callbacks import LayoutCount, ProgressLine


def shown(*, terminal: bool, successes: list[bool], every: float = 0.0, steps: int = 100) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100, color_system=None)
    model: Any = SimpleNamespace(
        num_timesteps=0, ep_success_buffer=successes, ep_info_buffer=[{"r": 0.5}, {"r": 1.5}], get_env=lambda: None
    )
    progress = ProgressLine(1000, console, every=every)
    progress.init_callback(model)
    progress.on_training_start({}, {})
    for _ in range(4):
        model.num_timesteps += steps
        progress.on_step()
    progress.on_training_end()
    return text.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_percent_success_speed_and_time_left_are_shown(terminal: bool) -> None:
    text = shown(terminal=terminal, successes=[True, True, True, False])
    assert "40" in text
    assert "%" in text
    assert "success 0.75" in text
    assert "fps" in text
    assert "left" in text


def test_percent_speed_and_time_left_follow_from_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, *[2.0] * 100])
    monkeypatch.setattr("engram.tracking.callbacks.progress.time.monotonic", lambda: next(times))
    assert shown(terminal=False, successes=[], every=3600.0).split("  ")[-2:] == ["200 fps", "0:03 left\n"]


def test_percent_is_of_all_steps_and_at_most_100(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "400 steps: 40 %" in shown(terminal=False, successes=[])
    assert "996 steps: 99 %" in shown(terminal=False, successes=[], steps=249)
    assert "1,200 steps: 100 %" in shown(terminal=False, successes=[], steps=300)


def test_return_stands_in_where_no_success_is_reported() -> None:
    assert "return 1.00" in shown(terminal=False, successes=[])


def test_plain_lines_are_few() -> None:
    text = shown(terminal=False, successes=[True], every=3600.0)
    assert text.count("\n") == 1
    assert "\r" not in text
    assert "\x1b" not in text


def test_layouts_of_finished_episodes_are_counted_once() -> None:
    logged: dict[str, int] = {}
    count = LayoutCount()
    count.init_callback(
        SimpleNamespace(num_timesteps=0, get_env=lambda: None, logger=SimpleNamespace(record=logged.__setitem__))
    )
    for dones, layouts in (((True, False), "ab"), ((True, True), "cd"), ((True, True), "ac")):
        count.update_locals({"dones": dones, "infos": [{"layout": layout} for layout in layouts]})
        count.on_step()
    count.on_rollout_end()
    assert logged == {"env/distinct_layouts": 3}
    assert count.seen == {"a", "c", "d"}
